/** A spec as a server judges it: what a submit would say, how it would read the inputs, how much there is to do. Nothing is written. */
import type { DataOf } from '@millrace/api-contract/client';
import { type CommandCall, isSet } from '../command.ts';
import { absolute, paramsOf } from '../commands/submit.ts';
import { describeIssue, verdict } from '../describe-issues.ts';
import type { ExitCode } from '../exit-codes.ts';
import { counted, size } from '../output.ts';
import { withServer } from './server-call.ts';
import { visible } from './table.ts';

type Checked = DataOf<'POST /specs/check'>;

export function checkOnServer(call: CommandCall, written: Record<string, unknown>, baseDirectory: string): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const params = paramsOf(call);
    const body = { spec: absolute(written, baseDirectory), ...(params === null ? {} : { params: params as never }) };
    const checked = await client.call('POST /specs/check', { body });
    call.output.document(checked);
    for (const issue of checked.issues) for (const line of describeIssue(issue)) call.output.line(line);
    for (const pins of checked.pins ?? []) for (const line of describeInput(pins, isSet(call.flags, 'evidence'))) call.output.line(line);
    if (checked.plan !== null) call.output.line(describeWork(checked.plan));
    return verdict(call, checked.issues.length);
  });
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
