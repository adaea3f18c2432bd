/** Dead letters: the inbox, and one of them. */
import type { DeadLetterDetail, DeadLetterRow, deadLetterRoutes } from '@millrace/api-contract';
import { Waivers } from '@millrace/journal';
import { type ChunkId, codeInfo, type DeadLetter, type DeadLetterView, type FailureClass, type JobId, letterFields, parseFilter } from '@millrace/protocol';
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
  const state = stateOf(looked, letter);
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
    notRedrivable: whyNotRedrivable(state, looked, letter),
    attempts: attempts.map((record) => failedAttempt(record, withContent)),
  };
}

function whyNotRedrivable(state: DeadLetterDetail['state'], { outline }: LookedAt, { stage, chunk, generation }: DeadLetter): string | null {
  switch (state) {
    case 'open':
      return null;
    case 'resolved':
      return 'its chunk has committed since';
    case 'redriven':
      return `generation ${outline.generation} has taken it up`;
    case 'waived': {
      const waiver = new Waivers(outline.commands).of(stage, chunk, generation);
      return `${waiver?.by} has waived it at ${waiver?.at}: ${waiver?.reason}`;
    }
    default:
      return state satisfies never;
  }
}

function stateOf({ plan, states, outline }: LookedAt, { stage, chunk, generation }: DeadLetter): DeadLetterDetail['state'] {
  if (states.stateOf(chunk) !== 'committed' && new Waivers(outline.commands).of(stage, chunk, generation) !== null) return 'waived';
  // Of a file that could not be planned: a later plan has it, or tries again.
  if (stage === 'plan') return plan.index.ended.has(chunk) ? 'resolved' : generation < outline.generation ? 'redriven' : 'open';
  if (states.stateOf(chunk) === 'committed') return 'resolved';
  return (plan.index.at(chunk)?.generation ?? generation) > generation ? 'redriven' : 'open';
}
