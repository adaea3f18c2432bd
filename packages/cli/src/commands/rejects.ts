import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { exportCsvHeader, exportCsvRow, exportNdjsonRow, exportShape, type JobView, type RejectRow } from '@millrace/journal';
import type { Manifest } from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, shortChunk, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { openRejects } from '../read-rejects.ts';
import { replayRejects } from './replay-rejects.ts';

const DEFAULT_LIMIT = 20;

/** `millrace rejects ls DIR`, `millrace rejects export DIR -o FILE`: the quarantine of a finished job. */
export const rejects: Command = {
  name: 'rejects',
  synopsis: 'ls DIR [--code CODE] [--limit N]   |   export DIR -o FILE   |   replay DIR [--corrections FILE]',
  help: 'Lists the rejects of a directory that `run` wrote, or exports all of them with place, reason and fields, as CSV or NDJSON by the ending of FILE, or reads them once more: as they were, or as an edited export has them.',
  flags: {
    code: { type: 'string', value: 'CODE', help: 'only rejects of this code; may end in *' },
    limit: { type: 'string', value: 'N', help: `at most so many (${DEFAULT_LIMIT}; 0 = all)` },
    out: { type: 'string', short: 'o', value: 'FILE', help: 'where to export to' },
    corrections: { type: 'string', value: 'FILE', help: 'replay: an edited export; rows are known by _reject_id' },
    'dry-run': { type: 'boolean', help: 'replay: only say what would be read' },
    workers: { type: 'string', value: 'N', help: 'replay: cores that work at once (as many as fit)' },
    reason: { type: 'string', value: 'TEXT', help: 'replay: why, for the record' },
    format: { type: 'string', value: 'FORMAT', help: 'csv or ndjson; by the ending of FILE when not given' },
  },
  run: (call) => {
    const [verb, ...rest] = call.args;
    if (verb === 'ls') return listRejects({ ...call, args: rest });
    if (verb === 'export') return exportRejects({ ...call, args: rest });
    if (verb === 'replay') return replayRejects({ ...call, args: rest }, matcher(textFlag(call.flags, 'code')));
    throw new CommandError(exitCodes.usage, `expected \`rejects ls\`, \`rejects export\` or \`rejects replay\`, got ${JSON.stringify(verb ?? '')}`);
  },
};

/** The manifest whose receipts name the rejects: that of the newest generation that ended. */
export function manifestOf(view: JobView): Manifest {
  const manifest = view.manifests.at(-1);
  if (manifest === undefined)
    throw new CommandError(exitCodes.conflict, 'the job has not ended: its rejects are not final', 'Run the same `millrace run` again: it continues.');
  return manifest;
}

const matcher = (pattern: string | undefined): ((row: RejectRow) => boolean) => {
  if (pattern === undefined) return () => true;
  return pattern.endsWith('*') ? (row) => row.code.startsWith(pattern.slice(0, -1)) : (row) => row.code === pattern;
};

async function listRejects(call: CommandCall): Promise<ExitCode> {
  const limit = readLimit(textFlag(call.flags, 'limit'));
  const matches = matcher(textFlag(call.flags, 'code'));
  await withJob(call.args[0], async (directory, view) => {
    const manifest = manifestOf(view);
    let shown = 0;
    for await (const row of openRejects(directory, view, manifest)) {
      if (!matches(row)) continue;
      if (limit > 0 && shown >= limit) break;
      shown += 1;
      call.output.document(row);
      for (const line of describeReject(row)) call.output.line(line);
    }
    if (shown === 0)
      call.output.line(`No reject${textFlag(call.flags, 'code') === undefined ? '' : ' of that code'}: ${count(manifest.balance.recordsIn)} records read.`);
    else call.output.line(`${count(shown)} of ${count(manifest.balance.rejected)} rejects. Its bytes: millrace peek ${call.args[0]} --reject N`);
  });
  return exitCodes.done;
}

function readLimit(text: string | undefined): number {
  const value = text === undefined ? DEFAULT_LIMIT : Number(text);
  if (!Number.isInteger(value) || value < 0) throw new CommandError(exitCodes.usage, `expected a whole number for --limit, got ${JSON.stringify(text)}`);
  return value;
}

export function describeReject(row: RejectRow): string[] {
  const id = row.rejectId.slice(row.rejectId.indexOf('.') + 1);
  const column = row.column === null ? '' : `  column ${row.columnIndex ?? '?'} ${JSON.stringify(row.column)}`;
  return [
    `${id}  ${row.code}  ${row.file}${row.record === null ? '' : `  record ${count(row.record)}`}${placeInText(row)}${column}`,
    `    ${messageOf(row)}`,
    `    ${visibleText(row.raw, 120)}`,
  ];
}

/** What was wrong, and with what: the offending value where there is one. */
export function messageOf(row: Pick<RejectRow, 'message' | 'value'>): string {
  return row.value === null ? row.message : `${row.message}, got ${JSON.stringify(row.value.length > 80 ? `${row.value.slice(0, 80)}…` : row.value)}`;
}

/** Control characters made visible, cut to what fits on a line. */
export function visibleText(text: string, length: number): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text;
  return cut.replace(/[\u0000-\u001f\u007f]/g, (character) => (character === '\u007f' ? '␡' : String.fromCharCode(0x2400 + character.charCodeAt(0))));
}

async function exportRejects(call: CommandCall): Promise<ExitCode> {
  const path = textFlag(call.flags, 'out');
  if (path === undefined) throw new CommandError(exitCodes.usage, 'expected where to export to', 'Add -o FILE.');
  const format = textFlag(call.flags, 'format') ?? path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (format !== 'csv' && format !== 'ndjson')
    throw new CommandError(exitCodes.usage, `expected FILE to end in .csv or .ndjson, got ${path}`, 'Or say --format csv.');
  const matches = matcher(textFlag(call.flags, 'code'));
  await withJob(call.args[0], async (directory, view) => {
    const exported = await writeExport(directory, view, path, format, matches);
    call.output.document({ file: path, format, rejects: exported });
    call.output.line(`${count(exported)} rejects in ${path}`);
  });
  return exitCodes.done;
}

async function writeExport(directory: Directory, view: JobView, path: string, format: 'csv' | 'ndjson', matches: (row: RejectRow) => boolean): Promise<number> {
  const manifest = manifestOf(view);
  const shape = exportShape(view);
  const stream = createWriteStream(path);
  const failed = once(stream, 'error').then(([error]) =>
    Promise.reject(new CommandError(exitCodes.failed, `cannot write ${path}: ${(error as Error).message}`)),
  );
  const write = async (text: string): Promise<void> => void (stream.write(text) || (await Promise.race([once(stream, 'drain'), failed])));
  let exported = 0;
  const rows = async (): Promise<void> => {
    if (format === 'csv') await write(exportCsvHeader(shape));
    for await (const row of openRejects(directory, view, manifest)) {
      if (!matches(row)) continue;
      await write(format === 'csv' ? exportCsvRow(shape, row) : exportNdjsonRow(shape, row));
      exported += 1;
    }
    stream.end();
    await once(stream, 'close');
  };
  await Promise.race([rows(), failed]);
  return exported;
}

export const shortRejectId = (row: RejectRow): string => `${shortChunk(row.stage, row.chunk)}.${row.rejectId.slice(row.rejectId.lastIndexOf('.') + 1)}`;

/** Empty for a row of a file that is no text. */
const placeInText = ({ line, byte }: RejectRow): string => (line === null || byte === null ? '' : `  line ${count(line)}  byte ${count(byte)}`);
