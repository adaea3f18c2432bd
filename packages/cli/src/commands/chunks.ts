/** `millrace chunks JOB [FILTER]`: the chunks of a job by index, on a server or in a directory. */
import { chunkFields } from '@millrace/api-contract';
import type { ChunkView } from '@millrace/journal';
import { type Chunk, matchesFilter } from '@millrace/protocol';
import type { Command, CommandCall } from '../command.ts';
import { type Directory, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count } from '../output.ts';
import { namesDirectory } from '../place.ts';
import { readFilter } from '../read-filter.ts';
import { chunkHeader, listServerChunks } from '../server/chunks.ts';
import { limitFlag, limitOf } from '../server/paged.ts';
import { serverFlags } from '../server/server-call.ts';
import { baseName, table } from '../server/table.ts';

const atOnce = 16;

export const chunks: Command = {
  name: 'chunks',
  synopsis: '[JOB | DIR] [FILTER] [--limit N]',
  help: 'Lists the chunks of a job, of the newest one without JOB, or of a directory that `run` wrote. FILTER: `state:dead,retrying code:STORAGE_* file:orders-02* offset:1GB..2GB rejects:>0`.',
  flags: { ...limitFlag, ...serverFlags },
  reads: () => true,
  run: (call) => (namesDirectory(call.args[0]) ? listLocalChunks(call) : listServerChunks(call)),
};

async function listLocalChunks(call: CommandCall): Promise<ExitCode> {
  const filter = readFilter(call.args.slice(1).join(' '), chunkFields);
  const limit = limitOf(call);
  await withJob(call.args[0], async (directory, view) => {
    const { jobId } = view.job.record;
    const uris = new Map<number, string>();
    for await (const { file, uri } of directory.journal.listInputFiles(jobId)) uris.set(file, uri);
    const found: LocalChunk[] = [];
    for (let at = 0; at < view.chunks.length && found.length <= limit; at += atOnce) {
      const rows = await Promise.all(view.chunks.slice(at, at + atOnce).map((chunk) => rowOf(directory, chunk, uris)));
      found.push(...rows.filter((row) => matchesFilter(filter, itemOf(row, jobId), Date.now())));
    }
    const shown = found.slice(0, limit);
    for (const row of shown) call.output.document({ chunkId: `${jobId}.${row.stage}.${row.index}`, ...row });
    if (shown.length > 0) for (const line of table(chunkHeader, shown.map(cellsOf))) call.output.line(line);
    else call.output.say(view.chunks.length === 0 ? 'No chunk is planned yet.' : `None of ${count(view.chunks.length)} chunks matches.`);
    if (found.length > shown.length) call.output.say(`The first ${count(shown.length)}: narrow it with a filter, or --limit N (0: all).`);
  });
  return exitCodes.done;
}

interface LocalChunk {
  readonly stage: string;
  readonly index: number;
  readonly kind: Chunk['kind'];
  /** `pending`: no outcome stands in the journal. */
  readonly state: 'committed' | 'dead' | 'cancelled' | 'pending';
  readonly generation: number;
  readonly uri: string | null;
  readonly start: number | null;
  readonly end: number | null;
  readonly record: number | null;
  readonly records: number | null;
  readonly bytes: number | null;
  readonly rejects: number | null;
  /** Of its dead letter. */
  readonly code: string | null;
}

const states = { committed: 'committed', dead: 'dead', closed: 'cancelled' } as const;

async function rowOf({ journal }: Directory, view: ChunkView, uris: ReadonlyMap<number, string>): Promise<LocalChunk> {
  const verdict = (await journal.readOutcome(view))?.record;
  const { chunk } = view;
  return {
    stage: view.stage,
    index: chunk.chunk,
    kind: chunk.kind,
    state: verdict === undefined ? 'pending' : states[verdict.outcome],
    generation: view.generation,
    uri: 'file' in chunk ? (uris.get(chunk.file) ?? null) : null,
    start: 'start' in chunk ? chunk.start : null,
    end: 'end' in chunk ? chunk.end : null,
    record: 'record' in chunk ? (chunk.record ?? null) : null,
    records: verdict?.outcome === 'committed' ? verdict.counts.recordsIn : 'records' in chunk ? (chunk.records ?? null) : null,
    bytes: bytesOf(chunk),
    rejects: verdict?.outcome === 'committed' ? verdict.counts.rejected : null,
    code: verdict?.outcome === 'dead' ? verdict.code : null,
  };
}

function bytesOf(chunk: Chunk): number | null {
  if ('bytes' in chunk && typeof chunk.bytes === 'number') return chunk.bytes;
  if (chunk.kind === 'files') return chunk.files.reduce((sum, { start, end }) => sum + end - start, 0);
  return 'start' in chunk ? chunk.end - chunk.start : null;
}

function itemOf(row: LocalChunk, jobId: string) {
  const { stage, index, start, end, record, records, uri } = row;
  return {
    ...row,
    id: [`${jobId}.${stage}.${index}`, `${stage}.${index}`],
    file: uri === null ? null : [uri, baseName(uri)],
    offset: start === null || end === null ? null : { start, end },
    record: record === null ? null : { start: record, end: record + (records ?? 1) },
    words: [`${jobId}.${stage}.${index}`, uri ?? '', row.code ?? ''],
  };
}

const cellsOf = (row: LocalChunk) => [
  `${row.stage}.${row.index}`,
  row.state,
  row.generation,
  row.records,
  row.bytes,
  row.rejects,
  null,
  row.code,
  row.uri === null ? null : baseName(row.uri),
  row.start,
];
