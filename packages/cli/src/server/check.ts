/** A spec as a server judges it: what a submit would say, how it would read the inputs, how much there is to do. Nothing is written. */
import { ApiError, type DataOf } from '@millrace/api-contract/client';
import { type CommandCall, isSet } from '../command.ts';
import { absolute, paramsOf } from '../commands/submit.ts';
import { describeIssue, verdict } from '../describe-issues.ts';
import type { ExitCode } from '../exit-codes.ts';
import { count, counted, size } from '../output.ts';
import { withServer } from './server-call.ts';
import { table, visible } from './table.ts';

type Checked = DataOf<'POST /specs/check'>;

export function checkOnServer(call: CommandCall, written: Record<string, unknown>, baseDirectory: string): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const params = paramsOf(call);
    const body = { spec: absolute(written, baseDirectory), ...(params === null ? {} : { params: params as never }) };
    const checked = await withRows((query) => client.call('POST /specs/check', { body, query }));
    call.output.document(checked);
    for (const issue of checked.issues) for (const line of describeIssue(issue)) call.output.line(line);
    for (const pins of checked.pins ?? []) for (const line of describeInput(pins, isSet(call.flags, 'evidence'))) call.output.line(line);
    if (checked.plan !== null) call.output.line(describeWork(checked.plan));
    for (const sample of checked.samples) describeSample(sample, call);
    return verdict(call, checked.issues.length);
  });
}

/** Rows are content: who may not see them is told all but the rows. */
async function withRows(ask: (query: { content?: true }) => Promise<Checked>): Promise<Checked> {
  try {
    return await ask({ content: true });
  } catch (error) {
    if (error instanceof ApiError && error.code === 'AUTH_FORBIDDEN') return ask({});
    throw error;
  }
}

/** Of a value in a table, in characters; `--json` has all that the server sent. */
const shownValue = 32;
const shownRejects = 10;

function describeSample({ input, records, rejected, columns, rows, rejects }: Checked['samples'][number], call: CommandCall): void {
  const { output } = call;
  output.line(`sample of ${input}: ${counted(records, 'record')} read, ${count(rejected)} rejected`);
  if (rows === null) output.line('  its rows are shown to stewards');
  else if (rows.length > 0) {
    const cells = rows.map((row) => row.map((value) => (value === null ? null : shortened(value))));
    for (const line of table(
      columns.map(({ name }) => shortened(name)),
      cells,
    ))
      output.line(`  ${line}`);
  }
  for (const { record, line, column, code, message, value } of rejects.slice(0, shownRejects)) {
    const place = `record ${count(record)}${line === null ? '' : `, line ${count(line)}`}${column === null ? '' : `, column ${visible(column)}`}`;
    output.line(`  ${code}  ${place}: ${visible(message)}${value === null ? '' : ` (${JSON.stringify(shortened(value))})`}`);
  }
  if (rejects.length > shownRejects) output.line(`  … ${count(rejects.length - shownRejects)} more rejects of the sample`);
}

function shortened(text: string): string {
  const letters = [...text];
  return letters.length <= shownValue ? text : `${letters.slice(0, shownValue - 1).join('')}…`;
}

function describeInput(
  { input, format, compression, encoding, dialect, columns, evidence, notes }: NonNullable<Checked['pins']>[number],
  withEvidence: boolean,
): string[] {
  const delimiter = typeof dialect?.['delimiter'] === 'string' ? ` · delimiter ${JSON.stringify(dialect['delimiter'])}` : '';
  const lines = [`${input}: ${format}${compression === 'none' ? '' : ` · ${compression}`}${delimiter} · ${encoding} · ${counted(columns.length, 'column')}`];
  if (columns.length > 0) {
    const shown = columns.slice(0, 6).map(({ name, type }) => `${visible(name)} ${type}`);
    lines.push(`  ${shown.join(' · ')}${columns.length > shown.length ? ` · … ${columns.length - shown.length} more` : ''}`);
  }
  if (withEvidence) for (const { path, value, how, note } of evidence) lines.push(`    ${path} = ${value} (${how})${note === null ? '' : ` ${note}`}`);
  for (const note of notes) lines.push(`  note: ${visible(note)}`);
  return lines;
}

function describeWork({ files, bytes, estimatedChunks, stages }: NonNullable<Checked['plan']>): string {
  return `${counted(files, 'file')}, ${size(bytes)}, about ${counted(estimatedChunks, 'chunk')}; ${counted(stages.length, 'stage')}: ${stages.map(({ name }) => name).join(', ')}`;
}
