/** What a person decides about an error group: resolved, ignored, open again, a note. */
import type { ErrorGroupDetail } from '@millrace/api-contract';
import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.ts';
import { nowMs } from '../../clock.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { AreaField, SelectField } from '../../ui/field.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import styles from './error-group.module.css';

export const groupKey = (fingerprint: string) => ['errors', 'group', fingerprint] as const;

export const groupQuery = (fingerprint: string) =>
  queryOptions({
    queryKey: [...groupKey(fingerprint), 'group'],
    queryFn: ({ signal }) => api.call('GET /errors/{fingerprint}', { params: { fingerprint } }, { signal }),
  });

type Decided = Pick<ErrorGroupDetail, 'fingerprint' | 'version' | 'failures'>;

interface DecisionProps {
  readonly group: Decided;
  readonly decision: Decision;
  readonly onClose: () => void;
}

export type Decision = 'resolve' | 'ignore' | 'reopen' | 'note';
const decisions: Readonly<Record<Decision, { readonly title: string; readonly verb: string }>> = {
  resolve: { title: 'Is the cause cured?', verb: 'Resolve' },
  ignore: { title: 'Ignore this group', verb: 'Ignore' },
  reopen: { title: 'Open it again?', verb: 'Reopen' },
  note: { title: 'Add a note', verb: 'Add' },
};

const spans = [
  { value: 'always', label: 'for good' },
  { value: '1h', label: 'for an hour' },
  { value: '24h', label: 'for a day' },
  { value: '100', label: 'until 100 more failures' },
] as const;

const hourMs = 3_600_000;

function untilOf(span: string, failures: number): { readonly at: string | null; readonly failures: number | null } | null {
  if (span === '1h' || span === '24h') return { at: new Date(nowMs() + (span === '1h' ? 1 : 24) * hourMs).toISOString(), failures: null };
  return span === '100' ? { at: null, failures: failures + 100 } : null;
}

export function DecisionDialog(props: DecisionProps) {
  return (
    <Dialog title={decisions[props.decision].title} opened onClose={props.onClose}>
      <DecisionForm {...props} />
    </Dialog>
  );
}

/** A note on a group that is known by its fingerprint alone. */
export function NoteDialog({ fingerprint, onClose }: { readonly fingerprint: string; readonly onClose: () => void }) {
  const { data, error, refetch } = useQuery(groupQuery(fingerprint));
  return (
    <Dialog title={decisions.note.title} opened onClose={onClose}>
      {error !== null && <ProblemNote error={error} doing="read the error group" onRetry={() => void refetch()} />}
      {data !== undefined && <DecisionForm group={data} decision="note" onClose={onClose} />}
    </Dialog>
  );
}

function DecisionForm({ group, decision, onClose }: DecisionProps) {
  const { fingerprint, version, failures } = group;
  const queries = useQueryClient();
  const [text, setText] = useState('');
  const [span, setSpan] = useState<string>('24h');
  const act = useAct({
    call: (_: null, actKey): Promise<unknown> => {
      const call = { idempotencyKey: actKey, ifMatch: `"${version}"` };
      const params = { fingerprint };
      const note = text.trim();
      switch (decision) {
        case 'resolve':
          return api.call('POST /errors/{fingerprint}/resolve', { params, body: { note } }, call);
        case 'reopen':
          return api.call('POST /errors/{fingerprint}/reopen', { params, body: { note } }, call);
        case 'ignore':
          return api.call('POST /errors/{fingerprint}/ignore', { params, body: { note, until: untilOf(span, failures) } }, call);
        case 'note':
          return api.call('POST /errors/{fingerprint}/note', { params, body: { text: note } }, call);
        default:
          return decision satisfies never;
      }
    },
    showsFailure: true,
    onDone: () => {
      void queries.invalidateQueries({ queryKey: ['errors'] });
      onClose();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        act.mutate(null);
      }}
    >
      {decision === 'resolve' && <p className={styles.say}>Seen again, it comes back as regressed.</p>}
      {decision === 'ignore' && <SelectField label="How long" options={spans} value={span} onChange={(event) => setSpan(event.currentTarget.value)} />}
      <AreaField
        label={decision === 'note' ? 'Note' : 'Note (optional)'}
        rows={3}
        maxLength={1_000}
        value={text}
        data-autofocus
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {act.error !== null && <ProblemNote error={act.error} doing={decision === 'note' ? 'add the note' : `${decision} the group`} />}
      <Button type="submit" tone="accent" busy={act.isPending} disabled={decision === 'note' && text.trim() === ''}>
        {decisions[decision].verb}
      </Button>
    </form>
  );
}
