/** `millrace rejects ls|summary|export|replay`: the quarantine of a job, on a server or in a directory. */
import { rejectFields } from '@millrace/api-contract';
import { exportCsvHeader, exportCsvRow, exportNdjsonRow, exportShape, type JobView, type RejectRow, rejectItem } from '@millrace/journal';
import { type Manifest, matchesFilter } from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { describeSummary } from '../describe-summary.ts';
import { shortChunk, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { namesDirectory } from '../place.ts';
import { readFilter } from '../read-filter.ts';
import { openRejects } from '../read-rejects.ts';
import { messageOf, visibleText } from '../reject-text.ts';
import { contentFlag, serverFlags } from '../server/server-call.ts';
import { exportTarget, sayExported, writeExport } from '../write-export.ts';
import { replayRejects } from './replay-rejects.ts';

const DEFAULT_LIMIT = 20;
const verbs = ['ls', 'summary', 'export', 'replay'] as const;

export const rejects: Command = {
  name: 'rejects',
  synopsis:
    'ls [JOB | DIR] [FILTER]   |   summary [JOB | DIR] [FILTER] [--by code,column]   |   export JOB|DIR [FILTER] -o FILE   |   replay JOB|DIR [FILTER] [--corrections FILE]',
  help: 'Lists the rejects of a job or of a directory that `run` wrote (FILTER: `code:TYPE_* column:amount file:orders* record:1..100`), sums them up, exports them with place, reason and fields to be edited, or reads them once more: as they were, or as an edited export has them. On a server values are content: who may see them sees them with --content, and by an export.',
  flags: {
    code: { type: 'string', value: 'CODE', help: 'only rejects of this code; may end in *' },
    by: { type: 'string', value: 'FIELDS', help: 'summary: code, column, file, job, day; several with commas (code,column)' },
    limit: { type: 'string', value: 'N', help: `ls: at most so many (${DEFAULT_LIMIT}; 0: all)` },
    out: { type: 'string', short: 'o', value: 'FILE', help: 'export: where to; - is stdout' },
    format: { type: 'string', value: 'FORMAT', help: 'export: csv or ndjson; by the ending of FILE when not given' },
    corrections: { type: 'string', value: 'FILE', help: 'replay: an edited export; rows are known by _reject_id' },
    set: { type: 'string', multiple: true, value: 'PATH=VALUE', help: 'replay on a server: change a place of the spec, such as rejects.maxRows=100' },
    'dry-run': { type: 'boolean', help: 'replay: only say what would be read' },
    wait: { type: 'boolean', help: 'replay: follow it to its end (a directory: always)' },
    workers: { type: 'string', value: 'N', help: 'replay in a directory: cores that work at once (as many as fit)' },
    reason: { type: 'string', value: 'TEXT', help: 'replay: why, for the record' },
    ...contentFlag,
    ...serverFlags,
  },
  reads: ([verb]) => verb !== 'replay',
  run: (call) => {
    const [first, ...rest] = call.args;
    const verb = verbs.find((known) => known === first);
    if (verb === undefined)
      throw new CommandError(exitCodes.usage, `expected ${verbs.join(', ')}, got ${JSON.stringify(first ?? '')}`, 'See `millrace rejects --help`.');
    const next = { ...call, args: withCode(rest, textFlag(call.flags, 'code')) };
    return namesDirectory(rest[0]) ? inDirectory(verb, next) : onServer(verb, next);
  },
};

/** `--code` is a term of the filter like any other. */
const withCode = (args: readonly string[], code: string | undefined): readonly string[] => (code === undefined ? args : [...args, `code:${code}`]);

function inDirectory(verb: (typeof verbs)[number], call: CommandCall): Promise<ExitCode> {
  if (verb === 'ls') return listRejects(call);
  if (verb === 'summary') return summariseLocal(call);
  if (verb === 'export') return exportRejects(call);
  if (call.flags['set'] !== undefined) throw new CommandError(exitCodes.usage, 'a directory replays rejects as its spec is: --set is for servers');
  return replayRejects(call, matcherOf(call));
}

async function onServer(verb: (typeof verbs)[number], call: CommandCall): Promise<ExitCode> {
  const server = await import('../server/rejects.ts');
  if (verb === 'ls') return server.listRejects(call, DEFAULT_LIMIT);
  if (verb === 'summary') return server.summariseRejects(call);
  return verb === 'export' ? server.exportRejects(call) : server.replayRejects(call);
}

/** The manifest whose receipts name the rejects: that of the newest generation that ended. */
export function manifestOf(view: JobView): Manifest {
  const manifest = view.manifests.at(-1);
  if (manifest === undefined)
    throw new CommandError(exitCodes.conflict, 'the job has not ended: its rejects are not final', 'Run the same `millrace run` again: it continues.');
  return manifest;
}

/** What stands behind the directory is a filter. */
function matcherOf(call: CommandCall): (row: RejectRow) => boolean {
  const filter = readFilter(call.args.slice(1).map(asTerm).join(' '), rejectFields);
  return (row) => matchesFilter(filter, rejectItem(row, 'open'), Date.now());
}

/** A reject by its name stays one beside other terms. */
const asTerm = (term: string): string => (/^(?:j[0-9a-z]{26}\.)?[a-z][a-z0-9]{0,31}\.\d+\.r\d+$/.test(term) ? `id:${term}` : term);

async function listRejects(call: CommandCall): Promise<ExitCode> {
  const limit = readLimit(textFlag(call.flags, 'limit'));
  const matches = matcherOf(call);
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
    if (shown === 0) call.output.say(`No reject${call.args.length > 1 ? ' matches' : ''}: ${count(manifest.balance.recordsIn)} records read.`);
    else call.output.say(`${count(shown)} of ${count(manifest.balance.rejected)} rejects. Its bytes: millrace peek ${call.args[0]} --reject ID`);
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

async function summariseLocal(call: CommandCall): Promise<ExitCode> {
  const by = (textFlag(call.flags, 'by') ?? 'code,column').split(',');
  const unknown = by.find((name) => !localDimensions.includes(name));
  if (unknown !== undefined) throw new CommandError(exitCodes.usage, `expected some of ${localDimensions.join(', ')} for --by, got ${JSON.stringify(unknown)}`);
  const matches = matcherOf(call);
  await withJob(call.args[0], async (directory, view) => {
    const manifest = manifestOf(view);
    const tables = new Map(by.map((name) => [name, new Map<string, number>()]));
    let rejected = 0;
    for await (const row of openRejects(directory, view, manifest)) {
      if (!matches(row)) continue;
      rejected += 1;
      for (const [name, table] of tables) for (const key of keysOf(row, name)) table.set(key, (table.get(key) ?? 0) + 1);
    }
    const groups = [...tables].map(([name, table]) => [name, largestFirst(table)] as const);
    call.output.document({ rejects: rejected, recordsIn: manifest.balance.recordsIn, by: Object.fromEntries(groups) });
    for (const line of describeSummary(rejected, manifest.balance.recordsIn, groups)) call.output.line(line);
  });
  return exitCodes.done;
}

const localDimensions: readonly string[] = ['code', 'column', 'file'];

/** A record with several faults counts once for each code and column. */
function keysOf(row: RejectRow, dimension: string): Set<string> {
  if (dimension === 'file') return new Set([row.file]);
  const own = dimension === 'code' ? [row.code, ...row.errors.map(({ code }) => code)] : [row.column, ...row.errors.map(({ column }) => column)];
  return new Set(own.filter((key) => key !== null));
}

const largestFirst = (table: ReadonlyMap<string, number>) =>
  [...table].map(([key, number]) => ({ key, label: key, rejects: number })).sort((a, b) => b.rejects - a.rejects);

async function exportRejects(call: CommandCall): Promise<ExitCode> {
  const target = exportTarget(call);
  const matches = matcherOf(call);
  await withJob(call.args[0], async (directory, view) => {
    const manifest = manifestOf(view);
    const shape = exportShape(view);
    let exported = 0;
    async function* lines(): AsyncGenerator<string> {
      if (target.format === 'csv') yield exportCsvHeader(shape);
      for await (const row of openRejects(directory, view, manifest)) {
        if (!matches(row)) continue;
        yield target.format === 'csv' ? exportCsvRow(shape, row) : exportNdjsonRow(shape, row);
        exported += 1;
      }
    }
    await writeExport(call, target, lines());
    sayExported(call, target, exported);
  });
  return exitCodes.done;
}

export const shortRejectId = (row: RejectRow): string => `${shortChunk(row.stage, row.chunk)}.${row.rejectId.slice(row.rejectId.lastIndexOf('.') + 1)}`;

/** Empty for a row of a file that is no text. */
const placeInText = ({ line, byte }: RejectRow): string => (line === null || byte === null ? '' : `  line ${count(line)}  byte ${count(byte)}`);
