/** The form of an act that needs a reason and a fresh sign-in. What was written stays while the password is asked for. */
import type { ReactNode } from 'react';
import { useIdentity } from '../../session.ts';
import actStyles from '../../ui/act.module.css';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { TextField } from '../../ui/field.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { isStale, proveAgain } from './fresh-act.ts';

interface FreshFormProps<Answer> {
  readonly verb: string;
  /** On the button that does nothing. */
  readonly cancel: string;
  /** What failed, as a verb phrase. */
  readonly doing: string;
  readonly act: (form: FormData, actKey: string) => Promise<Answer>;
  readonly onDone: (answer: Answer) => void;
  readonly onClose: () => void;
  readonly children?: ReactNode;
}

export function FreshForm<Answer>({ verb, cancel, doing, act, onDone, onClose, children }: FreshFormProps<Answer>) {
  const me = useIdentity();
  const mutation = useAct({
    showsFailure: true,
    call: async (form: FormData, actKey) => {
      await proveAgain(form, me);
      return act(form, actKey);
    },
    onDone,
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        mutation.mutate(new FormData(event.currentTarget));
      }}
    >
      {children}
      <TextField label="Reason" name="reason" hint="Kept in the audit." required maxLength={1_000} autoComplete="off" />
      {isStale(mutation.error) ? (
        <TextField
          label="Your password"
          name="password"
          type="password"
          autoComplete="current-password"
          hint="You signed in more than ten minutes ago; this needs somebody who has just proved to be you."
          required
        />
      ) : (
        mutation.isError && <ProblemNote error={mutation.error} doing={doing} />
      )}
      <div className={actStyles.acts}>
        <Button onClick={onClose}>{cancel}</Button>
        <Button type="submit" tone="accent" busy={mutation.isPending}>
          {verb}
        </Button>
      </div>
    </form>
  );
}
