/** What a token may do, in the words of the form. Pure. */
import type { Role } from '@millrace/api-contract';

export const tokenKinds = [
  { kind: 'viewer', label: 'read, but no contents of records' },
  { kind: 'operator', label: 'submit, pause, cancel, redrive, drain' },
  { kind: 'steward', label: 'the same, and see contents, replay, waive' },
  { kind: 'admin', label: 'everything, tokens too' },
  { kind: 'scaler', label: 'read the scaling numbers: for autoscalers' },
] as const;

export type TokenKind = (typeof tokenKinds)[number]['kind'];

/** Role and scopes of a kind. */
export function choicesOf(kind: TokenKind): { readonly role: Role; readonly scopes: ['stats:read'] | null } {
  return kind === 'scaler' ? { role: 'viewer', scopes: ['stats:read'] } : { role: kind, scopes: null };
}
