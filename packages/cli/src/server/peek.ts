/** The bytes of a place in an input of a job on a server. */
import type { Client, DataOf } from '@millrace/api-contract/client';
import { ApiError } from '@millrace/api-contract/client';
import type { CommandCall } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { type Place, placeOfReject, printPlace, type WantedPlace, type Window, windowStart } from '../peek-place.ts';
import { jobIdOf, parsePart } from './job-ref.ts';
import { pagesOf } from './paged.ts';
import { withServer } from './server-call.ts';

type File = Pick<DataOf<'GET /jobs/{jobId}/files'>['data'][number], 'file' | 'uri' | 'etag'>;
type Reject = DataOf<'GET /rejects/{rejectId}'>;
type JobId = Reject['jobId'];

export function peekOnServer(call: CommandCall, wanted: WantedPlace): Promise<ExitCode> {
  if (call.args.length > 1) throw new CommandError(exitCodes.usage, `expected one job, got ${JSON.stringify(call.args.join(' '))}`);
  return withServer(call, async ({ client }) => {
    const { what } = wanted;
    const named = 'reject' in what ? parsePart(what.reject) : null;
    const jobId = (named?.job ?? (await jobIdOf(call.args[0], client))) as JobId;
    const { place, file, window } =
      'reject' in what ? await placeOf(await findReject(jobId, what.reject, client), client) : await placeAt(jobId, wanted, client);
    const shown = window ?? (await readWindow(jobId, file, place, wanted.bytes, client));
    printPlace(call, place, { ...shown, bytes: shown.bytes.subarray(0, wanted.bytes) });
    return exitCodes.done;
  });
}

interface Found {
  readonly place: Place;
  readonly file: File;
  /** What is shown where no bytes of a file are: a row of a file of columns, or of a reduce stage. */
  readonly window: Window | null;
}

async function placeAt(jobId: JobId, { what, file: named }: WantedPlace, client: Client): Promise<Found> {
  const file = await findFile(jobId, named, client);
  const at = 'at' in what ? what.at : null;
  const record = await readRecord(jobId, file, what, client);
  const byte = at ?? record?.byte ?? 0;
  const place = { uri: file.uri, etag: file.etag, byte, mark: record?.reject?.errors[0]?.byte ?? byte, record, reject: null };
  return { place, file, window: record?.byte === null ? rowOf(record.rawBase64) : null };
}

const rowOf = (base64: string): Window => ({ start: 0, bytes: Buffer.from(base64, 'base64'), from: 'row' });

/** What the reader makes of the record there; null where no record stands, such as in the header. */
async function readRecord(jobId: JobId, { file }: File, what: WantedPlace['what'], client: Client): Promise<Place['record']> {
  try {
    const query = { file, ...('record' in what ? { record: what.record } : { byte: 'at' in what ? what.at : 0 }) };
    const found = await client.call('GET /jobs/{jobId}/record', { params: { jobId }, query });
    const { record, line, byte, byteEnd, raw, fields, reject } = found;
    const header = fields.map(({ name }, at) => name ?? `field ${at + 1}`);
    return { record, line, byte, byteEnd, rawBase64: raw, header, fields: fields.map(({ value }) => value), reject };
  } catch (error) {
    if ('at' in what && error instanceof ApiError && error.code === 'RANGE_NOT_SATISFIABLE') return null;
    throw error;
  }
}

async function findFile(jobId: JobId, wanted: string | undefined, client: Client): Promise<File> {
  const matching: File[] = [];
  let files = 0;
  for await (const { items } of pagesOf(Number.POSITIVE_INFINITY, (page) => client.call('GET /jobs/{jobId}/files', { params: { jobId }, query: page }))) {
    files += items.length;
    matching.push(...items.filter(({ file, uri }) => wanted === undefined || String(file) === wanted || uri === wanted || uri.endsWith(`/${wanted}`)));
    if (matching.length > 1) break;
  }
  const [found] = matching;
  if (found === undefined)
    throw new CommandError(exitCodes.notFound, `${jobId} has no input ${wanted ?? 'file'}`, `It has ${files}: millrace api GET /jobs/${jobId}/files`);
  if (matching.length > 1)
    throw new CommandError(exitCodes.usage, 'the job has several inputs: say which with --file', 'By number from 0, or by the end of its name.');
  return found;
}

/** By its id, with or without the job in front, or by its number in input order. */
async function findReject(jobId: JobId, id: string, client: Client): Promise<Reject> {
  if (!/^\d+$/.test(id)) {
    const rejectId = (id.startsWith(`${jobId}.`) ? id : `${jobId}.${id}`) as Reject['rejectId'];
    return client.call('GET /rejects/{rejectId}', { params: { rejectId }, query: { content: true } });
  }
  let left = Number(id);
  if (left > 0)
    for await (const { items } of pagesOf(left, (page) => client.call('GET /jobs/{jobId}/rejects', { params: { jobId }, query: page }))) {
      const found = items[left - 1];
      if (found !== undefined) return client.call('GET /rejects/{rejectId}', { params: { rejectId: found.rejectId }, query: { content: true } });
      left -= items.length;
    }
  throw new CommandError(exitCodes.notFound, `no reject ${id}: there are ${Number(id) - left}`, `See \`millrace rejects ls ${jobId}\`.`);
}

async function placeOf(reject: Reject, client: Client): Promise<Found> {
  const rawBase64 = reject.raw ?? '';
  const place = placeOfReject({ ...reject, rawBase64 });
  if (reject.byte === null) return { place, file: { file: 0, uri: reject.file, etag: reject.etag }, window: rowOf(rawBase64) };
  const [, stage = '', index = ''] = reject.chunkId.split('.');
  const chunk = await client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId: reject.jobId, stage, index } });
  // Of a group of small files each has a share; of a replayed record the chunk reads no file.
  const number = chunk.files === 1 && chunk.uri === reject.file ? chunk.file : (chunk.shares.find(({ uri }) => uri === reject.file)?.file ?? null);
  const file = number === null ? await findFile(reject.jobId, reject.file, client) : { file: number, uri: reject.file, etag: reject.etag };
  return { place, file, window: null };
}

async function readWindow(jobId: JobId, { file }: File, place: Place, bytes: number, client: Client): Promise<Window> {
  const start = windowStart(place, bytes);
  try {
    const response = await client.raw(
      'GET /jobs/{jobId}/bytes',
      { params: { jobId }, query: { file, offset: start, length: bytes } },
      { accept: 'application/octet-stream' },
    );
    return { start, bytes: new Uint8Array(await response.arrayBuffer()), from: 'source' };
  } catch (error) {
    const isOtherNow = error instanceof ApiError && (error.code === 'INPUT_CHANGED' || error.code === 'INPUT_NOT_FOUND');
    if (!isOtherNow || place.reject === null) throw error;
    return { start: place.byte, bytes: Buffer.from(place.reject.rawBase64, 'base64'), from: 'reject' };
  }
}
