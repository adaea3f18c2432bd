/** The form of a new token. Making one needs a password that was given within the last ten minutes: the form asks for it when the server does. */
import { ApiError } from '@millrace/api-contract/client';
import { useState } from 'react';
import { api } from '../../api.ts';
import { useIdentity } from '../../session.ts';
import actStyles from '../../ui/act.module.css';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { SelectField, TextField } from '../../ui/field.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { choicesOf, type TokenKind, tokenKinds } from './token-kinds.ts';

interface NewTokenProps {
  readonly onClose: () => void;
  readonly onMade: (made: { readonly name: string; readonly secret: string }) => void;
}

const days = [7, 30, 90, 365].map((count) => ({ value: String(count), label: `${count} days` }));
const isStale = (error: unknown): boolean => error instanceof ApiError && error.code === 'AUTH_STALE';

export function NewToken({ onClose, onMade }: NewTokenProps) {
  const me = useIdentity();
  const [kind, setKind] = useState<TokenKind>('operator');
  const mutation = useAct({
    showsFailure: true,
    call: async (form: FormData, actKey) => {
      const text = (name: string): string => String(form.get(name) ?? '').trim();
      const password = String(form.get('password') ?? '');
      if (password !== '' && me !== null) await api.call('POST /sessions', { body: { user: me.name, password } });
      const tenants = text('tenants')
        .split(/[\s,]+/)
        .filter(Boolean);
      const body = {
        name: text('name'),
        ...choicesOf(kind),
        tenants: tenants.length === 0 ? null : (tenants as never),
        expiresInDays: Number(text('days')),
        reason: text('reason'),
      };
      return api.call('POST /tokens', { body }, { idempotencyKey: actKey });
    },
    onDone: ({ name, secret }) => onMade({ name, secret }),
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        mutation.mutate(new FormData(event.currentTarget));
      }}
    >
      <TextField label="Name" name="name" hint="What it is for, such as nightly-import." required maxLength={128} autoComplete="off" data-autofocus />
      <SelectField
        label="It may"
        name="kind"
        value={kind}
        options={tokenKinds.map(({ kind: value, label }) => ({ value, label }))}
        onChange={(event) => setKind(event.currentTarget.value as TokenKind)}
      />
      <SelectField label="Runs out after" name="days" defaultValue="90" options={days} />
      <TextField label="Tenants (optional)" name="tenants" hint="Names with commas between them. Empty: every tenant that you may reach." autoComplete="off" />
      <TextField label="Reason" name="reason" hint="Kept in the audit." required maxLength={1_000} autoComplete="off" />
      {isStale(mutation.error) ? (
        <TextField
          label="Your password"
          name="password"
          type="password"
          autoComplete="current-password"
          hint="You signed in more than ten minutes ago; a token is made only by who has just proved to be you."
          required
        />
      ) : (
        mutation.isError && <ProblemNote error={mutation.error} doing="make the token" />
      )}
      <div className={actStyles.acts}>
        <Button onClick={onClose}>Make none</Button>
        <Button type="submit" tone="accent" busy={mutation.isPending}>
          Make the token
        </Button>
      </div>
    </form>
  );
}
