/** A new job: a spec to paste or edit, issues at their lines, and submit. The server checks it; nothing is accepted while an issue is left. */
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
  const [submitted, setSubmitted] = useState<string | null>(null);
  const refusal = act.error instanceof ApiError && submitted === text ? act.error : null;
  const refused: readonly Issue[] = (refusal?.problem.errors ?? []).map(({ pointer, message, suggestion = null }) => ({
    line: written.lineOf(pointer),
    pointer,
    message,
    suggestion,
  }));
  const issues: readonly Issue[] =
    text.trim() === '' ? [] : written.faults.length > 0 ? written.faults.map((fault) => ({ ...fault, pointer: '', suggestion: null })) : refused;
  const submit = (): void => {
    if (written.spec === null || act.isPending) return;
    setSubmitted(text);
    act.mutate(written.spec);
  };

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
          <Button tone="accent" disabled={written.spec === null} busy={act.isPending} title="⌘Enter" onClick={submit}>
            Check and submit
          </Button>
        </>
      }
    >
      {origin.error !== null && <ProblemNote error={origin.error} doing="read that spec" />}
      <div className={styles.columns}>
        <SpecEditor text={text} onChange={setText} lines={new Set(issues.map(({ line }) => line))} onSubmit={submit} />
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
          {issues.length === 0 && act.error === null && (
            <div className={styles.help}>
              <p>{text === '' ? 'Paste a spec, or begin with an example.' : 'It can be read. What its fields say is checked when it is submitted.'}</p>
              {text === '' && <Button onClick={() => setText(example)}>Begin with an example</Button>}
            </div>
          )}
        </section>
      </div>
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
