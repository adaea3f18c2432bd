/** Windows and records of input files, at the version that the job has pinned, through the API's own core. */

import { maxWindowBytes } from '@millrace/api-contract';
import type { DataOf } from '@millrace/api-contract/client';
import { type JobOutline, specOfGeneration } from '@millrace/journal';
import { codeInfo, type FailureCode, type InputFile, isFailureCode } from '@millrace/protocol';
import type { Failed } from '@millrace/protocol/wire';
import { z } from 'zod';
import type { Api } from '../api.ts';
import { ApiProblem } from '../problem.ts';
import { assertKept } from './look.ts';

const deadlineMs = 60_000;

export interface Window {
  readonly bytes: Uint8Array;
  /** Length of the whole; null: not known without decoding it. */
  readonly total: number | null;
}

interface WindowQuery {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
}

/** Throws `RANGE_NOT_SATISFIABLE` behind the end, `INPUT_CHANGED` when the file is another one now, `INPUT_NOT_FOUND` when it is gone. */
export async function readWindow(outline: JobOutline, { file: number, offset, length }: WindowQuery, signal: AbortSignal, api: Api): Promise<Window> {
  const file = await inputFile(outline, number, api);
  const isPlain = compressionOf(outline, file) === 'none';
  if (isPlain && offset >= file.size) throw behindEnd(offset, file.size);
  // Offsets of a plain file are those of its stream; only of a compressed one the plan must be asked where decoding can begin.
  const jobKey = isPlain ? null : outline.job.key;
  const answer = await inspect(outline, file, { what: 'bytes', jobKey, start: offset, end: offset + length, record: null }, signal, api);
  if (answer.length === 0) throw behindEnd(offset, null);
  return { bytes: answer.subarray(0, length), total: isPlain ? file.size : null };
}

function behindEnd(offset: number, size: number | null): ApiProblem {
  const message = size === null ? `the file has no byte ${offset}` : `the file has ${size} bytes: expected an offset below, got ${offset}`;
  return new ApiProblem('RANGE_NOT_SATISFIABLE', message, {
    issues: [{ pointer: '/query/offset', code: 'RANGE_NOT_SATISFIABLE', message }],
    headers: { 'content-range': `bytes */${size ?? '*'}` },
  });
}

const recordAnswer = z.object({
  uri: z.string(),
  record: z.int(),
  line: z.int().nullable(),
  byte: z.int().nullable(),
  byteEnd: z.int().nullable(),
  chunk: z.string(),
  header: z.array(z.string()),
  fields: z.array(z.string()).nullable(),
  rawBase64: z.string(),
  reject: z
    .object({
      code: z.string().nullable(),
      errors: z.array(z.object({ code: z.string(), column: z.string().nullable(), byte: z.int().nullable(), message: z.string() })),
    })
    .nullable(),
});

/** The record with this number, or the one that this byte lies in. */
export async function readRecordAt(
  outline: JobOutline,
  query: { readonly file: number; readonly record?: number | undefined; readonly byte?: number | undefined },
  signal: AbortSignal,
  api: Api,
): Promise<DataOf<'GET /jobs/{jobId}/record'>> {
  const { record, byte } = query;
  if ((record === undefined) === (byte === undefined)) {
    const message = 'expected exactly one of record and byte';
    throw new ApiProblem('REQUEST_INVALID', message, { issues: [{ pointer: '/query/record', code: 'REQUEST_INVALID', message }] });
  }
  const file = await inputFile(outline, query.file, api);
  const asked = { what: 'record', jobKey: outline.job.key, start: byte ?? null, end: null, record: record ?? null } as const;
  const found = recordAnswer.parse(JSON.parse(new TextDecoder().decode(await inspect(outline, file, asked, signal, api))));
  const raw = Buffer.from(found.rawBase64, 'base64');
  const fields = (found.fields ?? []).map((value, at) => ({ name: found.header[at] ?? null, value }));
  const { uri, chunk, line, byteEnd, reject } = found;
  return {
    file: query.file,
    uri,
    chunk,
    record: found.record,
    line,
    byte: found.byte,
    byteEnd,
    fields,
    raw: raw.subarray(0, maxWindowBytes).toString('base64'),
    rawTruncated: raw.length > maxWindowBytes,
    reject: reject === null ? null : { ...reject, hint: codeInfo(reject.code ?? '').hint },
  };
}

async function inputFile(outline: JobOutline, number: number, api: Api): Promise<InputFile> {
  assertKept(outline, 'history');
  const { jobId, inputs, inputFiles } = outline.job.record;
  const segment = inputs.findIndex(({ first, count }) => number >= first && number < first + count);
  const stored = segment === -1 ? null : await api.journal.readInputs(jobId, segment);
  const file = stored?.record.files.find((one) => one.file === number);
  if (file !== undefined) return file;
  const there = inputFiles === 0 ? 'none: its chunks are sent by a producer' : `0 to ${inputFiles - 1}`;
  const message = `cannot find file ${number} of job ${jobId}: expected ${there}`;
  throw new ApiProblem('NOT_FOUND', message, { issues: [{ pointer: '/query/file', code: 'NOT_FOUND', message }] });
}

/** `none` too while the job is not pinned: then nobody knows of a stream. */
function compressionOf({ pins }: JobOutline, { file, input }: InputFile): string {
  const own = pins?.record.files?.find((one) => one.file === file);
  return (own ?? pins?.record.inputs[input])?.compression ?? 'none';
}

interface Inspected {
  readonly what: 'bytes' | 'record';
  readonly jobKey: string | null;
  readonly start: number | null;
  readonly end: number | null;
  readonly record: number | null;
}

async function inspect(outline: JobOutline, { uri, etag, size, input }: InputFile, asked: Inspected, signal: AbortSignal, api: Api): Promise<Uint8Array> {
  const { spec } = specOfGeneration(outline, outline.generation);
  const connection = spec.inputs[input]?.connection ?? null;
  const message = { type: 'Inspect', input: { uri, connection, etag, size }, connection: null, parts: null, spec: null, ...asked } as const;
  const answer = await api.core.request(message, { deadlineMs, signal });
  if (answer.failed !== null) throw problemOf(answer.failed, asked);
  return answer.payload;
}

/** What a file can be: another one, gone, shorter, damaged; or its store is away or closed to us. */
function problemOf({ code, message }: Failed, { what }: Inspected): ApiProblem {
  const known: FailureCode = isFailureCode(code) ? code : 'INTERNAL';
  if (known === 'INPUT_CHANGED' || known === 'INPUT_NOT_FOUND') return new ApiProblem(known, message);
  if (known.startsWith('INPUT_')) {
    const pointer = what === 'bytes' ? '/query/offset' : '/query/record';
    return new ApiProblem('RANGE_NOT_SATISFIABLE', message, { issues: [{ pointer, code: 'RANGE_NOT_SATISFIABLE', message }] });
  }
  if (known.startsWith('STORAGE_')) return new ApiProblem('STORAGE_UNAVAILABLE', message);
  return new ApiProblem(known, message);
}
