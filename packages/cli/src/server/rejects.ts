/** Rejects of a server: listed, summed up, exported, and replayed as they were or as a person corrected them. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { maxCorrectionsBytes, summaryDimensions } from '@millrace/api-contract';
import type { Client, DataOf } from '@millrace/api-contract/client';
import { type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { describeSummary } from '../describe-summary.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, size } from '../output.ts';
import { overridesOf } from '../redrive-operation.ts';
import { exportTarget, sayExported, writeExport } from '../write-export.ts';
import { isJobRef, jobIdOf, serverFilter, splitRef } from './job-ref.ts';
import { printList } from './paged.ts';
import { carryOut, type ServerPlan } from './redrive.ts';
import { type Session, withServer } from './server-call.ts';
import { baseName, visible } from './table.ts';

type Reject = DataOf<'GET /jobs/{jobId}/rejects'>['data'][number];

const shownRaw = 120;

interface Which {
  readonly jobId: string;
  readonly q: string;
}

/** The job that stands first, else the newest, and the filter behind it. */
async function which({ args }: CommandCall, client: Client): Promise<Which> {
  const { ref, terms } = splitRef(args);
  return { jobId: await jobIdOf(ref, client), q: await serverFilter(terms, client) };
}

export function listRejects(call: CommandCall, otherwise: number): Promise<ExitCode> {
  return withServer(call, async ({ client }) => {
    const { jobId, q } = await which(call, client);
    const content = isSet(call.flags, 'content');
    const ask = (page: { limit: number; cursor?: string }) =>
      client.call('GET /jobs/{jobId}/rejects', { params: { jobId: jobId as never }, query: { q, content, ...page } });
    const { shown, total } = await printList(
      call,
      ask,
      {
        header: ['reject', 'code', 'column', 'record', 'line', 'file', content ? 'message, value, record' : 'message'],
        row: (reject) => [
          reject.rejectId.slice(jobId.length + 1),
          reject.code,
          reject.column,
          reject.record,
          reject.line,
          baseName(reject.file),
          `${reject.message}${contentText(reject)}`,
        ],
        none: q === '' ? `${jobId} has no rejects.` : `No reject of ${jobId} matches ${q}.`,
      },
      otherwise,
    );
    if (shown > 0) {
      if (total !== null && shown === total) call.output.say(`${count(total)} in all.`);
      call.output.say(`Its bytes: millrace peek ${jobId} --reject ID      All of them: millrace rejects export ${jobId} -o rejects.csv`);
    }
    return exitCodes.done;
  });
}

function contentText({ value, raw }: Reject): string {
  if (raw === null) return '';
  const text = Buffer.from(raw, 'base64').toString('utf8');
  const record = text.length > shownRaw ? `${text.slice(0, shownRaw)}…` : text;
  return `${value === null ? '' : `, got ${JSON.stringify(value)}`}  in ${JSON.stringify(record)}`;
}

export function summariseRejects(call: CommandCall): Promise<ExitCode> {
  const by = textFlag(call.flags, 'by') ?? 'code,column';
  const unknown = by.split(',').find((name) => !(summaryDimensions as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new CommandError(exitCodes.usage, `expected some of ${summaryDimensions.join(', ')} for --by, got ${JSON.stringify(unknown)}`);
  return withServer(call, async ({ client }) => {
    const q = await serverFilter(call.args, client);
    const summary = await client.call('GET /rejects/summary', { query: { q, by } });
    call.output.document(summary);
    const groups = Object.entries(summary.by).map(([name, rows]) => [name, rows ?? []] as const);
    for (const line of describeSummary(summary.rejects, summary.recordsIn, groups)) call.output.line(line);
    if (!summary.complete) call.output.say(`Not complete: ${summary.incomplete}`);
    return exitCodes.done;
  });
}

const mediaOf = { csv: 'text/csv', ndjson: 'application/x-ndjson' } as const;

export function exportRejects(call: CommandCall): Promise<ExitCode> {
  const target = exportTarget(call);
  return withServer(call, async ({ client }) => {
    const { jobId, q } = await which(call, client);
    const input = { params: { jobId: jobId as never }, query: { q, content: true } };
    const response = await client.raw('GET /jobs/{jobId}/rejects', input, { accept: mediaOf[target.format] });
    let rows = 0;
    let [isQuoted, hasMore] = [false, false];
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const chunk of response.body ?? []) {
        // A line end inside of quotes ends no row.
        for (const byte of chunk as Uint8Array) {
          if (byte === 0x22 && target.format === 'csv') isQuoted = !isQuoted;
          if (byte === 0x0a && !isQuoted) rows += 1;
          hasMore = byte !== 0x0a;
        }
        yield chunk as Uint8Array;
      }
    }
    await writeExport(call, target, counted());
    sayExported(call, target, rows + (hasMore ? 1 : 0) - (target.format === 'csv' ? 1 : 0));
    if (target.path !== '-') call.output.say(`Edit it, and read them once more: millrace rejects replay ${jobId} --corrections ${target.path}`);
    return exitCodes.done;
  });
}

export function replayRejects(call: CommandCall): Promise<ExitCode> {
  const file = textFlag(call.flags, 'corrections');
  const corrections = file === undefined ? null : readCorrections(file);
  const overrides = overridesOf(call);
  if (corrections !== null && call.args.length > (isJobRef(call.args[0]) ? 1 : 0))
    throw new CommandError(exitCodes.usage, 'the rows of --corrections say which rejects are meant: take out the filter');
  return withServer(
    call,
    async (session) => {
      const { jobId, q } = await which(call, session.client);
      const what = corrections === null ? { filter: q === '' ? 'state:open' : q } : { correctionId: await upload(call, jobId, corrections, session) };
      const body = { target: 'rejects', jobId: jobId as never, ...what, ...(Object.keys(overrides).length === 0 ? {} : { overrides }) } as const;
      const plan = await session.client.call('POST /redrives/plans', { body });
      return carryOut(call, plan, { verb: 'replay', will: 'will be replayed', start: startOf(plan, session) }, session);
    },
    { follows: isSet(call.flags, 'wait') },
  );
}

const startOf =
  ({ planId, confirm }: ServerPlan, { client }: Session) =>
  (reason: string) =>
    client.call('POST /redrives', { body: { planId: planId as never, confirm, reason } }, { idempotencyKey: `cli-${planId}` });

interface Corrections {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: 'text/csv' | 'application/x-ndjson';
}

function readCorrections(file: string): Corrections {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no such file: ${file}`);
  if (found.size > maxCorrectionsBytes)
    throw new CommandError(exitCodes.usage, `${file} has ${size(found.size)}, over ${size(maxCorrectionsBytes)}`, 'Export and replay some, by a filter.');
  const bytes = new Uint8Array(readFileSync(file));
  return { bytes, contentType: /^\.(?:ndjson|jsonl|json)$/i.test(extname(file)) ? 'application/x-ndjson' : 'text/csv' };
}

/** What was changed is told before anything starts: a spreadsheet may have rewritten more than was meant. */
async function upload(call: CommandCall, jobId: string, { bytes, contentType }: Corrections, { client }: Session): Promise<string> {
  const set = await client.call('POST /jobs/{jobId}/corrections', { params: { jobId: jobId as never }, body: bytes, contentType });
  call.output.document({ type: 'corrections', ...set });
  call.output.line(`${count(set.matched)} rejects: ${count(set.unchanged)} as they were, ${count(set.matched - set.unchanged)} corrected`);
  const cells = Object.entries(set.changedCells).sort(([, a], [, b]) => b - a);
  if (cells.length > 0) call.output.line(`  changed cells: ${cells.map(([column, changed]) => `${visible(column)} ${count(changed)}`).join(', ')}`);
  for (const { rejectId, reason } of set.cannot.slice(0, 5)) call.output.line(`  not ${rejectId}: ${reason}`);
  if (set.cannotTotal > 5) call.output.line(`  … ${count(set.cannotTotal - 5)} more that cannot be replayed`);
  return set.correctionId;
}
