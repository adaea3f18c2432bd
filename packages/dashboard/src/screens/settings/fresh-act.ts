/** Acts that need a password of the last ten minutes: the server says so, and the form asks for it. */

import type { Identity } from '@millrace/api-contract';
import { ApiError } from '@millrace/api-contract/client';
import { api } from '../../api.ts';

export const isStale = (error: unknown): boolean => error instanceof ApiError && error.code === 'AUTH_STALE';

/** Signs in once more when the form has a password. */
export async function proveAgain(form: FormData, me: Identity | null): Promise<void> {
  const password = String(form.get('password') ?? '');
  if (password !== '' && me !== null) await api.call('POST /sessions', { body: { user: me.name, password } });
}

/** Text of a field, without spaces around it. */
export const textOf = (form: FormData, name: string): string => String(form.get(name) ?? '').trim();

/** Names with commas or spaces between them; null for none. */
export function namesOf(form: FormData, name: string): string[] | null {
  const names = textOf(form, name)
    .split(/[\s,]+/)
    .filter(Boolean);
  return names.length === 0 ? null : names;
}
