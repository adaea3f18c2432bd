/**
 * Acts: one press of a button is one idempotency key, so a repeated request does nothing twice. A dialog asks first where an act ends or changes
 * much, with a reason; nothing acts from a key alone.
 */
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useRef, useState } from 'react';
import { newActKey } from '../api.ts';
import { useIsProduction } from '../session.ts';
import styles from './act.module.css';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { AreaField } from './field.tsx';
import { ProblemNote, problemLine } from './problem.tsx';
import { tell } from './toasts.tsx';

interface ActOptions<Input, Answer> {
  /** The call, with the key of this press. */
  readonly call: (input: Input, actKey: string) => Promise<Answer>;
  /** Told when it was accepted; null for nothing. */
  readonly told?: (answer: Answer) => string | null;
  readonly onDone?: (answer: Answer) => void;
  /** Failures are shown by the caller, not as a notification. */
  readonly showsFailure?: boolean;
}

export function useAct<Input, Answer>({ call, told, onDone, showsFailure = false }: ActOptions<Input, Answer>) {
  const key = useRef(newActKey());
  return useMutation({
    mutationFn: (input: Input) => call(input, key.current),
    onSuccess: (answer) => {
      key.current = newActKey();
      const text = told?.(answer) ?? null;
      if (text !== null) tell(text);
      onDone?.(answer);
    },
    onError: (error) => {
      // The server answered: another press is another act. Without an answer the same key makes sure that it happens once.
      if (!('code' in error && error.code === 'UNREACHABLE')) key.current = newActKey();
      if (!showsFailure) tell(problemLine(error), 'bad');
    },
  });
}

interface ConfirmProps {
  readonly title: string;
  readonly opened: boolean;
  readonly onClose: () => void;
  /** On the button that acts. */
  readonly verb: string;
  readonly danger?: boolean;
  /** Throws what the server refused. */
  readonly act: (reason: string, actKey: string) => Promise<unknown>;
  readonly onDone?: () => void;
  readonly children?: ReactNode;
}

/** Asks for a reason (needed where the installation is marked production) and acts. ⌘Enter confirms. */
export function ConfirmDialog(props: ConfirmProps) {
  return (
    <Dialog title={props.title} opened={props.opened} onClose={props.onClose}>
      <ConfirmForm {...props} />
    </Dialog>
  );
}

function ConfirmForm({ verb, danger = false, act, onDone, onClose, children }: ConfirmProps) {
  const isProduction = useIsProduction();
  const [reason, setReason] = useState('');
  const mutation = useAct({
    call: (text: string, actKey) => act(text, actKey),
    showsFailure: true,
    onDone: () => {
      onClose();
      onDone?.();
    },
  });
  const mayAct = !isProduction || reason.trim() !== '';
  const submit = (): void => {
    if (mayAct && !mutation.isPending) mutation.mutate(reason.trim());
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) submit();
      }}
    >
      {children}
      <AreaField
        label={isProduction ? 'Reason' : 'Reason (optional)'}
        hint={isProduction ? 'This is a production installation: the reason is kept in the audit.' : 'Kept in the audit.'}
        value={reason}
        maxLength={1_000}
        rows={2}
        data-autofocus
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      {mutation.isError && <ProblemNote error={mutation.error} doing={verb.toLowerCase()} />}
      <div className={styles.acts}>
        <Button onClick={onClose}>Keep as it is</Button>
        <Button type="submit" tone={danger || isProduction ? 'danger' : 'accent'} disabled={!mayAct} busy={mutation.isPending}>
          {verb}
        </Button>
      </div>
    </form>
  );
}
