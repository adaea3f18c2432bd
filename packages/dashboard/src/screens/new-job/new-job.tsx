/** A new job: a spec to paste or edit; a check that shows issues at their lines, how inputs would be read and how much there is; then submit. */
import { ApiError } from '@millrace/api-contract/client';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { stringify } from 'yaml';
import { api } from '../../api.ts';
import { formatNoun } from '../../format/numbers.ts';
import { visibleText } from '../../format/texts.ts';
import { useAct } from '../../ui/act.tsx';
import { Button } from '../../ui/button.tsx';
import { pathOf } from '../../ui/go.tsx';
import { Page } from '../../ui/page.tsx';
import { ProblemNote } from '../../ui/problem.tsx';
import { specQuery } from '../job/queries.ts';
import { CheckedSpec } from './checked-spec.tsx';
import styles from './new-job.module.css';
import { readSpec } from './spec-text.ts';

const example = `millrace: 1
name: orders-import
inputs: s3://acme-in/orders/*.csv.gz
schema: auto
pipeline:
  - name: clean
    sql: SELECT * FROM input WHERE amount <> 0
output: { uri: s3://acme-lake/orders/ }
rejects: { maxRatio: 0.01 }
`;

interface Issue {
  readonly line: number;
  readonly pointer: string;
  readonly message: string;
  readonly suggestion: string | null;
}

interface Asked {
  /** The text that is checked: another one is another spec. */
  readonly of: string;
  readonly spec: Record<string, unknown>;
  readonly content: boolean;
}

export function NewJobScreen() {
  const { from } = useSearch({ from: '/app/jobs/new' });
  const navigate = useNavigate();
  const [text, setText] = useState('');
  const origin = useQuery({ ...specQuery(from ?? ''), enabled: from !== undefined });
  const originText = useMemo(() => (origin.data === undefined ? null : stringify(origin.data.spec, { lineWidth: 140 })), [origin.data]);
  useEffect(() => {
    if (originText !== null) setText(originText);
  }, [originText]);

  const written = useMemo(() => readSpec(text), [text]);
  const act = useAct({
    call: (spec: Record<string, unknown>, actKey) => api.call('POST /jobs', { body: { spec } }, { idempotencyKey: actKey }),
    showsFailure: true,
    onDone: ({ jobId }) => void navigate({ to: pathOf.job(jobId) }),
  });
  const check = useAct({
    call: async ({ of, spec, content }: Asked) => ({
      of,
      found: await api.call('POST /specs/check', { body: { spec }, query: content ? { content: 'true' } : {} }),
    }),
    showsFailure: true,
  });
  const checked = check.data?.of === text ? check.data.found : null;
  const [submitted, setSubmitted] = useState<string | null>(null);
  const refusal = act.error instanceof ApiError && submitted === text ? act.error : null;
  const refused: readonly Issue[] = (refusal?.problem.errors ?? checked?.issues ?? []).map(({ pointer, message, suggestion = null }) => ({
    line: written.lineOf(pointer),
    pointer,
    message,
    suggestion,
  }));
  const issues: readonly Issue[] =
    text.trim() === '' ? [] : written.faults.length > 0 ? written.faults.map((fault) => ({ ...fault, pointer: '', suggestion: null })) : refused;
  const ask = (content = false): void => {
    if (written.spec !== null && !check.isPending) check.mutate({ of: text, spec: written.spec, content });
  };
  const submit = (): void => {
    if (written.spec === null || act.isPending) return;
    setSubmitted(text);
    act.mutate(written.spec);
  };

  const help =
    text === ''
      ? 'Paste a spec, or begin with an example.'
      : checked?.valid
        ? 'Nothing is wrong with it. Below is what would be done; submit begins it.'
        : 'It can be read. A check says whether its fields are right and how its inputs would be read; nothing runs yet.';
  const isReady = checked?.valid === true;
  const checkFailed = check.error !== null && check.variables?.of === text;
  return (
    <Page
      title="New job"
      lead={
        from === undefined
          ? 'A job spec in YAML or JSON. The server checks it before anything is accepted.'
          : `From the resolved spec of ${from}: every default is written out.`
      }
      acts={
        <>
          <Button disabled={text === ''} onClick={() => download(text)}>
            Download
          </Button>
          <Button tone={isReady ? 'plain' : 'accent'} disabled={written.spec === null} busy={check.isPending} title="⌘Enter" onClick={() => ask()}>
            Check
          </Button>
          <Button
            tone={isReady ? 'accent' : 'plain'}
            disabled={written.spec === null || issues.length > 0}
            busy={act.isPending}
            title={isReady ? '⌘Enter' : 'The server checks it all the same'}
            onClick={submit}
          >
            Submit
          </Button>
        </>
      }
    >
      {origin.error !== null && <ProblemNote error={origin.error} doing="read that spec" />}
      <div className={styles.columns}>
        <SpecEditor text={text} onChange={setText} lines={new Set(issues.map(({ line }) => line))} onSubmit={isReady ? submit : () => ask()} />
        <section className={styles.issues} aria-label="issues">
          {issues.length > 0 && (
            <>
              <div role="status">
                <h2>{formatNoun(issues.length, 'issue')}</h2>
              </div>
              <ol>
                {issues.map(({ line, pointer, message, suggestion }) => (
                  <li key={`${line} ${pointer} ${message}`}>
                    <Button small tone="quiet" onClick={() => showLine(line)}>
                      line {line}
                    </Button>
                    <span>
                      {pointer !== '' && <code>{visibleText(pointer.replace(/^\/spec/, ''))}</code>} {visibleText(message)}
                      {suggestion !== null && <> · did you mean {visibleText(suggestion)}?</>}
                    </span>
                  </li>
                ))}
              </ol>
            </>
          )}
          {act.error !== null && submitted === text && refused.length === 0 && <ProblemNote error={act.error} doing="submit the job" />}
          {checkFailed && <ProblemNote error={check.error} doing="check the spec" onRetry={() => ask()} />}
          {issues.length === 0 && act.error === null && !checkFailed && (
            <div className={styles.help}>
              <p role="status">{help}</p>
              {text === '' && <Button onClick={() => setText(example)}>Begin with an example</Button>}
            </div>
          )}
        </section>
      </div>
      {checked !== null && (
        <div className={styles.checked}>
          <CheckedSpec check={checked} onReveal={() => ask(true)} isBusy={check.isPending} />
        </div>
      )}
    </Page>
  );
}

const editorId = 'spec-text';

interface SpecEditorProps {
  readonly text: string;
  readonly onChange: (text: string) => void;
  /** Lines with an issue. */
  readonly lines: ReadonlySet<number>;
  readonly onSubmit: () => void;
}

function SpecEditor({ text, onChange, lines, onSubmit }: SpecEditorProps) {
  const gutter = useRef<HTMLDivElement>(null);
  const count = Math.max(24, text.split('\n').length + 1);
  return (
    <div className={styles.editor}>
      <div className={styles.gutter} ref={gutter} aria-hidden>
        {Array.from({ length: count }, (_, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines are their numbers
          <span key={at} data-issue={lines.has(at + 1) || undefined}>
            {at + 1}
          </span>
        ))}
      </div>
      <textarea
        id={editorId}
        className={styles.text}
        aria-label="job spec"
        spellCheck={false}
        autoCapitalize="none"
        autoComplete="off"
        wrap="off"
        value={text}
        placeholder={example}
        onChange={(event) => onChange(event.currentTarget.value)}
        onScroll={(event) => gutter.current?.scrollTo({ top: event.currentTarget.scrollTop })}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || (!event.metaKey && !event.ctrlKey)) return;
          event.preventDefault();
          onSubmit();
        }}
      />
    </div>
  );
}

/** Puts the caret on the line and brings it into view. */
function showLine(line: number): void {
  const area = document.getElementById(editorId);
  if (!(area instanceof HTMLTextAreaElement)) return;
  const lines = area.value.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  area.scrollTop = Math.max(0, (area.scrollHeight / Math.max(1, lines.length)) * (line - 6));
}

function download(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/yaml' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = 'job.yaml';
  link.click();
  URL.revokeObjectURL(url);
}
