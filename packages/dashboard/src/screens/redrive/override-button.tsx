/** A redrive that runs with other budgets, limits or SQL: the form begins with what stands, and freezes a plan that shows the difference. */
import { useQuery } from '@tanstack/react-query';
import { type SubmitEvent, useState } from 'react';
import { formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { AreaField, TextField } from '../../ui/field.tsx';
import { Waiting } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { type FreezeBody, useFreeze } from '../job/freeze-button.tsx';
import { specQuery } from '../job/queries.ts';
import { type OverrideField, overrideGroups, overridesOf } from './override-fields.ts';
import styles from './redrive.module.css';

interface OverrideButtonProps {
  /** Whose spec the form begins with. */
  readonly jobId: string;
  readonly body: FreezeBody;
  readonly children: string;
  readonly small?: boolean;
}

export function OverrideButton({ jobId, body, children, small = false }: OverrideButtonProps) {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button small={small} onClick={() => setOpened(true)} title="Counts first; nothing is done yet">
        {children} …
      </Button>
      <Dialog title="Redrive with changes" opened={opened} onClose={() => setOpened(false)} wide>
        <OverrideForm jobId={jobId} body={body} onClose={() => setOpened(false)} />
      </Dialog>
    </>
  );
}

interface OverrideFormProps {
  readonly jobId: string;
  readonly body: FreezeBody;
  readonly onClose: () => void;
}

function OverrideForm({ jobId, body, onClose }: OverrideFormProps) {
  const { data, error, refetch } = useQuery(specQuery(jobId));
  if (error !== null) return <ProblemNote error={error} doing="read the spec" onRetry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="the spec" />;
  return <Fields spec={data.spec} body={body} onClose={onClose} />;
}

function Fields({ spec, body, onClose }: { readonly spec: Readonly<Record<string, unknown>>; readonly body: FreezeBody; readonly onClose: () => void }) {
  const groups = overrideGroups(spec);
  const [written, setWritten] = useState<Readonly<Record<string, string>>>({});
  const [others, setOthers] = useState('');
  const freeze = useFreeze({ showsFailure: true, onFrozen: onClose });
  const { overrides, problems } = overridesOf(groups, written, others);
  const changed = Object.keys(overrides).length;
  const isFine = Object.keys(problems).length === 0 && changed > 0;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (isFine && !freeze.isPending) freeze.mutate({ ...body, overrides: { ...body.overrides, ...overrides } });
  };
  const fieldOf = (field: OverrideField) => {
    const { path, kind, label, hint, now } = field;
    const common = {
      label,
      hint,
      error: problems[path] ?? null,
      value: written[path] ?? now,
      onChange: (event: { currentTarget: { value: string } }) => {
        const { value } = event.currentTarget;
        setWritten((old) => ({ ...old, [path]: value }));
      },
    };
    return kind === 'sql' ? (
      <AreaField key={path} {...common} rows={6} spellCheck={false} />
    ) : (
      <TextField key={path} {...common} inputMode={kind === 'count' ? 'numeric' : 'text'} autoComplete="off" />
    );
  };
  return (
    <form onSubmit={submit}>
      <p className={styles.overrideLead}>
        What you leave holds as it is. What stood before stays on record, and the plan shows the difference before anything runs.
      </p>
      {groups.map(({ title, fields }) => (
        <fieldset key={title} className={styles.overrideGroup}>
          <legend>{title}</legend>
          <div className={fields[0]?.kind === 'sql' ? undefined : styles.overrideFields}>{fields.map(fieldOf)}</div>
        </fieldset>
      ))}
      <details className={styles.overrideOthers}>
        <summary>Any other place of the spec</summary>
        <AreaField
          label="PATH=VALUE, one a line"
          hint="Such as rejects.perFile.maxRows=100. The server says which places a redrive may change."
          error={problems['others'] ?? null}
          rows={3}
          spellCheck={false}
          value={others}
          onChange={(event) => setOthers(event.currentTarget.value)}
        />
      </details>
      {freeze.error !== null && <ProblemNote error={freeze.error} doing="freeze the plan" />}
      <div className={styles.overrideActs}>
        <span>
          {changed === 0
            ? 'Nothing is changed yet.'
            : `${formatNoun(changed, 'change')}: ${Object.keys(overrides)
                .map((path) => visibleText(path))
                .join(', ')}`}
        </span>
        <Button onClick={onClose}>Keep as it is</Button>
        <Button type="submit" tone="accent" disabled={!isFine} busy={freeze.isPending}>
          Show the plan
        </Button>
      </div>
    </form>
  );
}
