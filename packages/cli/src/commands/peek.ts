import type { JobView, RejectRow } from '@millrace/journal';
import { codeInfo, type InputFile } from '@millrace/protocol';
import type { Command } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, withJob } from '../directory.ts';
import { exitCodes } from '../exit-codes.ts';
import {
  mostBytes,
  type Place,
  placeOfReject,
  printPlace,
  type RecordView,
  usualBytes,
  type WantedPlace,
  type Window,
  wantedPlace,
  windowStart,
} from '../peek-place.ts';
import { namesDirectory } from '../place.ts';
import { openRejects } from '../read-rejects.ts';
import { serverFlags } from '../server/server-call.ts';
import { manifestOf, shortRejectId } from './rejects.ts';

const DEADLINE_MS = 60_000;

/** `millrace peek …`: the bytes of any place, in hex and text, with what the reader made of the record there. */
export const peek: Command = {
  name: 'peek',
  synopsis: '[JOB | DIR] --at OFFSET | --record N | --reject ID [--file F] [--bytes N]',
  help: 'Shows bytes, text and fields of a place in an input. `--reject 1` is the first reject in input order; `clean.227.r1` names one. On a server this is content: for stewards, and each look is recorded.',
  flags: {
    at: { type: 'string', value: 'OFFSET', help: 'byte offset from 0' },
    record: { type: 'string', value: 'N', help: 'number of the record, from 1' },
    reject: { type: 'string', value: 'ID', help: 'a reject: its number in input order, or its id' },
    file: { type: 'string', value: 'F', help: 'which input: its number from 0, or the end of its name (the only one)' },
    bytes: { type: 'string', value: 'N', help: `window, at most ${mostBytes} (${usualBytes})` },
    ...serverFlags,
  },
  reads: () => true,
  run: async (call) => {
    if (!namesDirectory(call.args[0])) return (await import('../server/peek.ts')).peekOnServer(call, wantedPlace(call.flags));
    await withJob(call.args[0], async (directory, view) => {
      const wanted = wantedPlace(call.flags);
      const place = await findPlace(directory, view, wanted);
      printPlace(call, place, await readPlace(directory, view, place, wanted.bytes));
    });
    return exitCodes.done;
  },
};

async function findPlace(directory: Directory, view: JobView, { what, file: named }: WantedPlace): Promise<Place> {
  if ('reject' in what) return placeOfReject(await findReject(directory, view, what.reject));
  const file = await findFile(directory, view, named);
  const [record, at] = 'record' in what ? [what.record, null] : [null, what.at];
  const found = await readRecord(directory, view, file, record, at);
  if (found === null && record !== null) throw new CommandError(exitCodes.notFound, `${file.uri} has no record ${record}`);
  const byte = at ?? found?.byte ?? 0;
  return { uri: file.uri, etag: file.etag, byte, mark: found?.reject?.errors[0]?.byte ?? byte, record: found, reject: null };
}

async function findReject(directory: Directory, view: JobView, id: string): Promise<RejectRow> {
  let number = 0;
  for await (const row of openRejects(directory, view, manifestOf(view))) {
    number += 1;
    if (String(number) === id || row.rejectId === id || shortRejectId(row) === id) return row;
  }
  throw new CommandError(exitCodes.notFound, `no reject ${id}`, `There are ${number}.`);
}

async function findFile({ journal }: Directory, view: JobView, wanted: string | undefined): Promise<InputFile> {
  const files: InputFile[] = [];
  for await (const file of journal.listInputFiles(view.job.record.jobId)) files.push(file);
  const matching = wanted === undefined ? files : files.filter(({ file, uri }) => String(file) === wanted || uri.endsWith(`/${wanted}`));
  const [found] = matching;
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no input ${wanted}`, `There are ${files.map(({ uri }) => uri).join(', ')}.`);
  if (matching.length > 1)
    throw new CommandError(exitCodes.usage, `the job has ${matching.length} inputs: say which with --file`, 'By number from 0, or by the end of its name.');
  return found;
}

/** What the reader makes of the record there; null where no record stands, such as in the header. */
async function readRecord({ core }: Directory, view: JobView, file: InputFile, record: number | null, at: number | null): Promise<RecordView | null> {
  const input = { uri: file.uri, connection: null, etag: file.etag, size: file.size };
  const jobKey = view.job.key;
  const message = { type: 'Inspect', what: 'record', input, connection: null, jobKey, start: at, end: null, record, parts: null, spec: null } as const;
  const answer = await core.request(message, { deadlineMs: DEADLINE_MS });
  if (answer.failed === null) return JSON.parse(new TextDecoder().decode(answer.payload)) as RecordView;
  if (answer.failed.code === 'INPUT_RANGE') return null;
  throw new CommandError(exitCodes.failed, answer.failed.message, codeInfo(answer.failed.code).hint || null, { code: answer.failed.code });
}

async function readPlace({ core }: Directory, view: JobView, place: Place, bytes: number): Promise<Window> {
  // A row of a Parquet or Arrow file is no run of bytes: it is shown as JSON.
  const row = place.reject?.byte === null ? place.reject : place.record?.byte === null ? place.record : null;
  if (row !== null) return { start: 0, bytes: Buffer.from(row.rawBase64, 'base64').subarray(0, bytes), from: 'row' };
  const start = windowStart(place, bytes);
  const input = { uri: place.uri, connection: null, etag: place.etag, size: 0 };
  const message = {
    type: 'Inspect',
    what: 'bytes',
    input,
    connection: null,
    // With the job: offsets of the stream that its records stand in, also where the file is compressed.
    jobKey: view.job.key,
    start,
    end: start + bytes,
    record: null,
    parts: null,
    spec: null,
  } as const;
  const answer = await core.request(message, { deadlineMs: DEADLINE_MS });
  if (answer.failed === null) return { start, bytes: answer.payload, from: 'source' };
  if (place.reject !== null) return { start, bytes: Buffer.from(place.reject.rawBase64, 'base64').subarray(0, bytes), from: 'reject' };
  throw new CommandError(exitCodes.failed, answer.failed.message, codeInfo(answer.failed.code).hint || null, { code: answer.failed.code });
}
