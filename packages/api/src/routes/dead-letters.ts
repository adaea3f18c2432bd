/** Dead letters: the inbox, and one of them. */
import type { DeadLetterDetail, DeadLetterRow, deadLetterRoutes } from '@millrace/api-contract';
import { Waivers } from '@millrace/journal';
import {
  type ChunkId,
  type Command,
  codeInfo,
  type DeadLetter,
  type DeadLetterView,
  type FailureClass,
  type JobId,
  letterFields,
  parseFilter,
} from '@millrace/protocol';
import { ask } from '../ask.ts';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { showing } from '../reads/content.ts';
import { failedAttempt } from '../reads/failures.ts';
import { type LookedAt, lookAt } from '../reads/look.ts';
import { acrossTenants, tenantsOf } from '../reads/tenants.ts';

export const deadLetterHandlers: HandlersOf<typeof deadLetterRoutes> = {
  'GET /dead-letters': async ({ query, caller, signal }, api) => {
    const filter = parseFilter(query.q, letterFields).text;
    const askOne = async (tenant: string, limit: number, after: string | null) => {
      const { letters, total, after: next } = await ask(api, { caller, tenant, signal }, { kind: 'deadLetters', filter, limit, after });
      return { items: letters, total, after: next };
    };
    const page = await acrossTenants(`dead-letters ${filter}`, query, await tenantsOf(caller, api), askOne, api);
    return { status: 200, body: { ...page, data: page.data.map(letterRow), filter } };
  },

  'GET /dead-letters/{deadLetterId}': async (call, api) => {
    const { deadLetterId } = call.params;
    const [jobId = '', stage = '', chunk = '', generation = ''] = deadLetterId.split('.');
    const none = new ApiProblem('NOT_FOUND', `cannot find dead letter ${deadLetterId}`);
    const looked = await lookAt(jobId as JobId, call.caller, api).catch((error: unknown) => {
      throw error instanceof ApiProblem && error.code === 'NOT_FOUND' ? none : error;
    });
    const [letter, verdict] = await Promise.all([
      api.journal.readDeadLetter(jobId as JobId, stage, Number(chunk), Number(generation)),
      api.journal.readVerdict(jobId as JobId, stage, Number(chunk), Number(generation)),
    ]);
    // A letter counts only beside a verdict that says so: another attempt may have committed before it.
    if (letter === null || verdict?.record.outcome !== 'dead') throw none;
    const { content } = call.query;
    const shown = { act: 'deadLetter.show', object: `deadLetter:${deadLetterId}`, tenant: looked.record.tenant } as const;
    return { status: 200, body: await showing(content, shown, call, api, async () => letterDetail(looked, letter.record, content)) };
  },
};

function letterRow(letter: DeadLetterView): DeadLetterRow {
  const { deadLetterId, jobId, jobName, code, message, fingerprint, diedAt, attempts, bytes, uri, start, end } = letter;
  const [, stage = '', index = '', generation = ''] = deadLetterId.split('.');
  const place = { chunkId: `${jobId}.${stage}.${index}` as ChunkId, stage, index: Number(index), generation: Number(generation) };
  return { deadLetterId, jobId, jobName, ...place, code, class: letter.class as FailureClass, message, fingerprint, diedAt, bytes, uri, start, end, attempts };
}

function letterDetail(looked: LookedAt, letter: DeadLetter, withContent: boolean): DeadLetterDetail {
  const { deadLetterId, jobId, stage, chunk, generation, code, message, fingerprint, diedAt, reason, range, attempts } = letter;
  const waiver = new Waivers(looked.outline.commands).of(stage, chunk, generation);
  const state = stateOf(looked, letter, waiver);
  return {
    deadLetterId,
    jobId,
    jobName: looked.record.name,
    chunkId: `${jobId}.${stage}.${chunk}` as ChunkId,
    stage,
    index: chunk,
    generation,
    code,
    class: letter.class,
    message,
    fingerprint,
    diedAt,
    bytes: range === null ? 0 : range.end - range.start,
    uri: range?.uri ?? null,
    start: range?.start ?? null,
    end: range?.end ?? null,
    hint: codeInfo(code).hint,
    state,
    reason,
    redrivable: state === 'open',
    notRedrivable: whyNotRedrivable(state, looked),
    waiver: state === 'waived' && waiver !== null ? { by: waiver.by, at: waiver.at, reason: waiver.reason, generation: waiver.opens ?? generation } : null,
    attempts: attempts.map((record) => failedAttempt(record, withContent)),
  };
}

function whyNotRedrivable(state: DeadLetterDetail['state'], { outline }: LookedAt): string | null {
  switch (state) {
    case 'open':
      return null;
    case 'resolved':
      return 'its chunk has committed since';
    case 'redriven':
      return `a generation up to ${outline.generation} has taken it up`;
    case 'waived':
      return 'somebody has accepted that its work is missing';
    default:
      return state satisfies never;
  }
}

function stateOf({ plan, states, outline }: LookedAt, { stage, chunk, generation }: DeadLetter, waiver: Command | null): DeadLetterDetail['state'] {
  // Of a file that could not be planned the number is that of the file: a later plan has it, or tries again.
  const isOfFile = stage === 'plan';
  if (isOfFile ? plan.index.ended.has(chunk) : states.stateOf(chunk) === 'committed') return 'resolved';
  if (waiver !== null) return 'waived';
  const newest = isOfFile ? outline.generation : (plan.index.at(chunk)?.generation ?? generation);
  return newest > generation ? 'redriven' : 'open';
}
