/** What a check of a spec found: how its inputs would be read, how much there is to do, and the first rows of each as they would be typed. */
import type { SpecCheck } from '@millrace/api-contract';
import { formatBytes, formatCount, formatNoun } from '../../format/numbers.ts';
import { fileName, visibleText } from '../../format/texts.ts';
import { useMay } from '../../session.ts';
import { Button } from '../../ui/button.tsx';
import { Id } from '../../ui/id.tsx';
import { Columns, Facts, Panel } from '../../ui/page.tsx';
import { StateBadge } from '../../ui/state-badge.tsx';
import styles from './new-job.module.css';

type Pins = NonNullable<SpecCheck['pins']>[number];
type Plan = NonNullable<SpecCheck['plan']>;
type Sample = SpecCheck['samples'][number];

interface CheckedSpecProps {
  readonly check: SpecCheck;
  /** Asks again with the values of records. */
  readonly onReveal: () => void;
  readonly isBusy: boolean;
}

export function CheckedSpec({ check, onReveal, isBusy }: CheckedSpecProps) {
  const { plan, pins, samples } = check;
  return (
    <>
      {plan !== null && <PlanPanel plan={plan} />}
      {pins?.map((one) => (
        <PinsPanel key={one.input} pins={one} />
      ))}
      {samples.map((sample) => (
        <SamplePanel key={`${sample.input} ${sample.file}`} sample={sample} onReveal={onReveal} isBusy={isBusy} />
      ))}
    </>
  );
}

function PlanPanel({ plan }: { readonly plan: Plan }) {
  const { files, bytes, estimatedChunks, stages, inputs } = plan;
  return (
    <Panel title="What there is to do">
      <Facts
        facts={[
          ['Files', formatCount(files)],
          ['Bytes', formatBytes(bytes)],
          ['Chunks', `about ${formatCount(estimatedChunks)}`],
          ['Stages', stages.map(({ name, kind }) => `${visibleText(name)} (${kind})`).join(' → ')],
        ]}
      />
      {inputs.map(({ input, files: count, first }) => (
        <details key={input} className={styles.more}>
          <summary>
            {visibleText(input)}: {formatNoun(count, 'file')}
          </summary>
          <ul>
            {first.map((file) => (
              <li key={file.uri}>
                <Id id={file.uri} most={64} what="location" /> {formatBytes(file.bytes)}
              </li>
            ))}
            {count > first.length && <li>and {formatCount(count - first.length)} more</li>}
          </ul>
        </details>
      ))}
    </Panel>
  );
}

function PinsPanel({ pins }: { readonly pins: Pins }) {
  const { input, format, compression, encoding, evidence, columns, notes } = pins;
  return (
    <Columns>
      <Panel title={`${visibleText(input)} is read as`}>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">what</th>
              <th scope="col">value</th>
              <th scope="col">how</th>
            </tr>
          </thead>
          <tbody>
            {evidence.length === 0 &&
              Object.entries({ format, compression, encoding }).map(([path, value]) => (
                <tr key={path}>
                  <td>{path}</td>
                  <td colSpan={2}>{visibleText(value)}</td>
                </tr>
              ))}
            {evidence.map(({ path, how, value, confidence, runnerUp, note }) => (
              <tr key={path}>
                <td>{visibleText(path)}</td>
                <td>
                  <code>{visibleText(value)}</code>
                </td>
                <td>
                  {how === 'set' ? 'set by the spec' : 'detected'}
                  {how === 'detected' && confidence !== null && <>, {Math.round(confidence * 100)} % sure</>}
                  {runnerUp !== null && <> · else {visibleText(runnerUp)}</>}
                  {note !== null && <> · {visibleText(note)}</>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {notes.map((note) => (
          <p key={note} className={styles.note}>
            {visibleText(note)}
          </p>
        ))}
      </Panel>
      <Panel title={`Columns of ${visibleText(input)} (${formatCount(columns.length)})`}>
        <Facts
          facts={columns.slice(0, mostColumns).map(({ name, type, format: form, inferred }) => [
            visibleText(name),
            <>
              {visibleText(form === 'default' ? type : `${type}, ${form}`)}
              {inferred && ', inferred'}
            </>,
          ])}
        />
        {columns.length > mostColumns && <p className={styles.note}>and {formatCount(columns.length - mostColumns)} more</p>}
      </Panel>
    </Columns>
  );
}

const mostColumns = 60;

function SamplePanel({ sample, onReveal, isBusy }: { readonly sample: Sample } & Omit<CheckedSpecProps, 'check'>) {
  const { input, file, records, rejected, columns, rows, rejects } = sample;
  const maySee = useMay('steward');
  return (
    <Panel title={`First rows of ${visibleText(input)}`} aside={<span>{visibleText(fileName(file))}</span>}>
      <p>
        {formatNoun(records, 'record')} read, <b>{formatNoun(rejected, 'reject')}</b>
      </p>
      {rows === null && (
        <p className={styles.note}>
          <span aria-hidden>▇▇▇</span> Values are hidden.{' '}
          {maySee ? (
            <Button small busy={isBusy} title="The view is recorded in the audit" onClick={onReveal}>
              Show the rows
            </Button>
          ) : (
            'A steward sees them.'
          )}
        </p>
      )}
      {rows !== null && <Rows columns={columns} rows={rows} />}
      {rejects.length > 0 && (
        <ul className={styles.rejects}>
          {rejects.map(({ record, line, column, code, message, value }) => (
            <li key={`${record} ${column ?? ''} ${code}`}>
              <StateBadge state="warning" word={code} /> record {formatCount(record)}
              {line !== null && <>, line {formatCount(line)}</>}
              {column !== null && <>, column {visibleText(column)}</>}: {visibleText(message)}
              {value !== null && (
                <>
                  {' '}
                  <code>{visibleText(value)}</code>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Rows({ columns, rows }: { readonly columns: Sample['columns']; readonly rows: NonNullable<Sample['rows']> }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keyboard
    <div className={styles.rows} tabIndex={0} role="group" aria-label="first rows">
      <table className={styles.table}>
        <thead>
          <tr>
            {columns.map(({ name, type }) => (
              <th key={name} scope="col">
                {visibleText(name)} <small>{visibleText(type)}</small>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rows are their places
            <tr key={at}>
              {row.map((value, column) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: cells are their places
                <td key={column} data-null={value === null || undefined}>
                  {value === null ? 'null' : visibleText(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
