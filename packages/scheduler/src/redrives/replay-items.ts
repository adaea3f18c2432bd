/** What became of the rejects that an operation replays: counts from the manifest of its generation, single ones from the receipts of its chunks. */
import { allSegments, readRejects } from '@millrace/journal';
import { type ItemCounts, isKeyStage, isTerminalJobState, type Manifest, type OperationJob } from '@millrace/protocol';
import type { Control } from '../control.ts';
import { inSteps } from '../in-steps.ts';
import { type ItemEnd, type OpenedGeneration, openedBy } from './item-outcomes.ts';
import type { JobSeen } from './observe-job.ts';

/** All at once: a chunk of a replay holds up to two thousand rejects. */
export async function observeReplay(job: OperationJob, operationId: string, control: Control): Promise<JobSeen> {
  const opened = await openedBy(operationId, job.jobId, control);
  const { total } = job.counts;
  if (opened === null) return { counts: { ...job.counts, released: 0 }, taken: null, live: null };
  const taken = { generation: opened.generation, chunks: [], files: [], finish: false, left: 0 };
  const known = await control.queues.ledger.job(job.jobId);
  const isLive = known !== null && known.generation === opened.generation && !isTerminalJobState(known.state);
  const manifest = isLive ? null : ((await control.journal.readManifest(job.jobId, opened.generation))?.record ?? null);
  if (manifest === null) return { counts: { ...job.counts, released: total }, taken, live: isLive ? known : null };
  return { counts: countsOf(manifest, opened.generation, total), taken, live: null };
}

/** Of a generation that ended before they were read none was resolved. */
function countsOf(manifest: Manifest, generation: number, total: number): ItemCounts {
  const replay = manifest.replays?.find((one) => one.generation === generation);
  const [failedAgain, unread] = [replay?.rejected ?? 0, replay?.unread ?? total];
  return { total, released: total, resolved: total - failedAgain - unread, failedAgain, skipped: unread };
}

/** Ends of these rejects. */
export async function replayEnds(
  ids: readonly string[],
  jobId: OperationJob['jobId'],
  of: { readonly opened: OpenedGeneration | null; readonly isOver: boolean },
  control: Control,
): Promise<Map<string, ItemEnd>> {
  const { opened, isOver } = of;
  const ends = new Map<string, ItemEnd>();
  const view = opened === null ? null : await control.journal.readJob(jobId);
  const plan = view?.plans.find(({ generation }) => generation === opened?.generation) ?? null;
  const wanted = new Set(ids);
  const chunks = plan === null ? [] : allSegments(plan).flatMap(({ record }) => record.chunks.map((chunk) => ({ stage: record.stage, chunk })));
  await inSteps(chunks, async ({ stage, chunk }) => {
    // A pass over keys decides nothing: what became of a record is known behind it.
    if (isKeyStage(stage) || chunk.kind !== 'inline' || !chunk.payloads.some(({ key }) => wanted.has(key))) return;
    const verdict = await control.journal.readVerdict(jobId, stage, chunk.chunk, opened?.generation ?? 1);
    const receipt = verdict?.record.outcome === 'committed' ? verdict.record : null;
    const again = new Map<number | null, { code: string; message: string }>();
    if (receipt !== null) {
      const parts = receipt.rejects.map((part) => ({ ...part, chunk: `${stage}.${chunk.chunk}` }));
      for await (const row of readRejects(control.core, parts)) again.set(row.record, { code: row.code, message: row.message });
    }
    for (const { key, origin } of chunk.payloads) {
      if (!wanted.has(key)) continue;
      const why = origin === undefined ? null : (again.get(origin.record) ?? null);
      if (receipt === null) ends.set(key, isOver ? { outcome: 'skipped', why: { code: 'JOB_FAILED', message: 'its chunk was not committed' } } : pending);
      else ends.set(key, why === null ? { outcome: 'resolved', why: null } : { outcome: 'failedAgain', why });
    }
  });
  const other: ItemEnd = isOver ? { outcome: 'skipped', why: { code: 'PLAN_EMPTY', message: 'the operation ended before it was read' } } : pending;
  for (const id of ids) if (!ends.has(id)) ends.set(id, other);
  return ends;
}

const pending: ItemEnd = { outcome: 'pending', why: null };
