import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobId } from '@millrace/protocol';
import type { LedgerJobView } from '@millrace/queues';
import { type JobSituation, nextSteps } from './next-steps.ts';

const job: LedgerJobView = {
  jobId: 'j1' as JobId,
  tenant: 'default',
  name: 'n',
  generation: 1,
  state: 'running',
  jobKey: 'k',
  specDigest: 'd',
  resultVersion: 1,
  pool: 'default',
  stages: [{ name: 'read', kind: 'map' }],
  plannedStages: 0,
  stageViews: [],
  allRejected: 0,
  priority: 5,
  maxConcurrency: null,
  inputFiles: 1,
  inputBytes: 10,
  acceptedAt: '2026-11-23T10:00:00.000Z',
  sealTimeLimitMs: null,
  weight: 10,
  flightBytes: 0,
  stream: null,
  paused: false,
  cancelled: false,
  rebuilding: false,
  sealed: true,
  segments: 1,
  sealedSegments: 1,
  bytesPlanned: 10,
  chunks: { total: 3, pending: 0, queued: 0, running: 0, retrying: 0, committed: 3, dead: 0 },
  sums: { recordsIn: 0, emitted: 0, filtered: 0, deduplicated: 0, rejected: 0, rowsOut: 0, repaired: 0, bytesIn: 0, bytesOut: 0 },
  deadLetters: { count: 0, bytes: 0 },
  uncounted: 0,
  openWork: 0,
  end: null,
  failure: null,
  manifestKey: null,
  recheck: false,
  release: null,
  lastCommand: -1,
  revision: 1,
};
const stream = { segments: 1, chunks: 3, keys: 5, bytes: 9 };
const half = { ...job.chunks, committed: 1, running: 2 };
const exceeded = { exceeded: { code: 'BUDGET_REJECTS' as const, message: 'too many' } };
const end = { state: 'failed' as const, code: 'X', message: 'x' };

function stepsOf(changes: Partial<LedgerJobView>, around: Partial<JobSituation> = {}): string[] {
  return nextSteps({
    job: { ...job, ...changes },
    unburiedFiles: 0,
    budget: { exceeded: null },
    stageBudget: { exceeded: null },
    overTime: false,
    abandoned: false,
    ...around,
  }).map(({ step }) => step);
}

const stages = [
  { name: 'read', kind: 'map' },
  { name: 'once', kind: 'reduce' },
  { name: 'total', kind: 'reduce' },
] as const;

const keyed = [
  { name: 'unique', kind: 'map' },
  { name: 'owners', kind: 'reduce' },
  { name: 'read', kind: 'map' },
] as const;
const owners = (dead: number): LedgerJobView['stageViews'] => [
  { name: 'owners', kind: 'reduce', chunks: { total: 2, committed: 2 - dead, dead }, sums: { ...job.sums } },
];

const cases: readonly (readonly [string, Partial<LedgerJobView>, Partial<JobSituation>, readonly string[]])[] = [
  ['accepted without a plan task', { state: 'accepted', sealed: false, sealedSegments: null }, {}, ['addPlanWork']],
  ['being planned', { state: 'planning', sealed: false, openWork: 1 }, {}, []],
  ['running while it is planned', { sealed: false, openWork: 1, chunks: half }, {}, []],
  ['running with open chunks', { chunks: half }, {}, []],
  ['with every outcome', {}, {}, ['finish']],
  ['with dead chunks and every outcome', { chunks: { ...job.chunks, committed: 2, dead: 1 } }, {}, ['finish']],
  ['sealed without chunks', { chunks: { ...job.chunks, total: 0, committed: 0 } }, {}, ['finish']],
  ['whose planner has not closed yet', { openWork: 1 }, {}, []],
  ['whose segments were not all told', { segments: 0 }, {}, ['readPlan']],
  ['with files that could not be planned', {}, { unburiedFiles: 2 }, ['buryUnplannable']],
  ['over budget', { chunks: half }, { budget: exceeded }, ['end', 'finish']],
  ['over its time', { chunks: half }, { overTime: true }, ['end', 'finish']],
  ['over its time but paused', { chunks: half, paused: true }, { overTime: true }, []],
  ['that must end', { chunks: half, end }, {}, ['finish']],
  ['that must end while planning', { state: 'planning', sealed: false, openWork: 1, end }, {}, ['finish']],
  ['a stream that is not sealed', { stream, sealed: false, sealedSegments: null }, {}, []],
  ['a stream without a chunk', { stream, state: 'accepted', sealed: false, sealedSegments: null }, {}, []],
  ['an abandoned stream', { stream, sealed: false, sealedSegments: null }, { abandoned: true }, ['end', 'finish']],
  ['an abandoned stream that is paused', { stream, sealed: false, paused: true }, { abandoned: true }, []],
  ['a sealed stream with every outcome', { stream }, {}, ['finish']],
  ['cancelled', { chunks: half, cancelled: true }, {}, ['end', 'finish']],
  ['cancelled while paused', { chunks: half, cancelled: true, paused: true }, {}, ['end', 'finish']],
  ['paused with every outcome', { paused: true }, {}, []],
  ['finishing with its task', { state: 'finishing', openWork: 1 }, {}, []],
  ['finishing without a task', { state: 'finishing' }, {}, ['addFinishWork']],
  ['found apart from its journal', { recheck: true }, {}, ['rebuild']],
  ['being rebuilt', { rebuilding: true }, {}, []],
  ['whose map stages are through', { stages }, {}, ['addStageWork']],
  ['whose map stages are through but over budget', { stages }, { stageBudget: exceeded }, ['end', 'finish']],
  ['whose map stages are through but whose sums are not known yet', { stages, uncounted: 1 }, {}, []],
  ['with every outcome whose sums are not known yet', { uncounted: 1 }, {}, ['finish']],
  ['whose map chunks are open', { stages, chunks: half }, {}, []],
  ['whose reduce stage is being planned', { stages, openWork: 1 }, {}, []],
  ['with one of two reduce stages through', { stages, plannedStages: 1 }, {}, ['addStageWork']],
  ['with all reduce stages through', { stages, plannedStages: 2 }, {}, ['finish']],
  ['with reduce stages left but paused', { stages, paused: true }, {}, []],
  ['with reduce stages left but that must end', { stages, end }, {}, ['finish']],
  ['whose keys are compared', { stages: keyed, plannedStages: 1, stageViews: owners(0) }, {}, ['addStageWork']],
  ['of whose keys some were not compared', { stages: keyed, plannedStages: 1, stageViews: owners(1) }, {}, ['end', 'finish']],
  ['whose stages behind the owners are through', { stages: keyed, plannedStages: 2, stageViews: owners(0) }, {}, ['finish']],
  ['completed', { state: 'completed' }, { budget: exceeded }, []],
  ['failed', { state: 'failed' }, {}, []],
];

describe('next steps of a job', () => {
  for (const [name, changes, around, expected] of cases)
    test(`${name}: ${expected.join(', ') || 'none'}`, () => assert.deepEqual(stepsOf(changes, around), expected));
});
