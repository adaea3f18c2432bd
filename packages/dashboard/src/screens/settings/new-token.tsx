/** The form of a new token. */
import { useState } from 'react';
import { api } from '../../api.ts';
import { SelectField, TextField } from '../../ui/field.tsx';
import { namesOf, textOf } from './fresh-act.ts';
import { FreshForm } from './fresh-form.tsx';
import { choicesOf, type TokenKind, tokenKinds } from './token-kinds.ts';

interface NewTokenProps {
  readonly onClose: () => void;
  readonly onMade: (made: { readonly name: string; readonly secret: string }) => void;
}

const days = [7, 30, 90, 365].map((count) => ({ value: String(count), label: `${count} days` }));

export function NewToken({ onClose, onMade }: NewTokenProps) {
  const [kind, setKind] = useState<TokenKind>('operator');
  const make = (form: FormData, actKey: string) =>
    api.call(
      'POST /tokens',
      {
        body: {
          name: textOf(form, 'name'),
          ...choicesOf(kind),
          tenants: namesOf(form, 'tenants'),
          expiresInDays: Number(textOf(form, 'days')),
          reason: textOf(form, 'reason'),
        },
      },
      { idempotencyKey: actKey },
    );
  return (
    <FreshForm
      verb="Make the token"
      cancel="Make none"
      doing="make the token"
      act={make}
      onDone={({ name, secret }) => onMade({ name, secret })}
      onClose={onClose}
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
    </FreshForm>
  );
}
