/** What became of the items of an operation, from the journal alone: the truth that counts from bits are a fast view of. */
import type { ItemOutcome, JobId, Manifest, OperationItem } from '@millrace/protocol';
import { parseChunkId } from '@millrace/protocol';
import type { Control } from '../control.ts';

/** Begins the reason of dead letters that an aborted operation has put. */
export const abortedReason = 'not tried again: operation';

/** The generation that an operation opened in a job, and what of it was selected. */
export interface OpenedGeneration {
  readonly generation: number;
  /** `<stage>.<chunk>`; `all`: every item of the job. */
  readonly select: ReadonlySet<string> | 'all';
}

/** Null: the operation has not opened one. Its id is that of the request in the command. */
export async function openedBy(operationId: string, jobId: JobId, control: Control): Promise<OpenedGeneration | null> {
  const command = (await control.journal.readCommands(jobId)).find(({ requestId }) => requestId === operationId);
  if (command?.opens == null) return null;
  return { generation: command.opens, select: command.select === 'all' ? 'all' : new Set(command.select) };
}

/** `<jobId>.<stage>.<chunk>.<generation>` without its generation. */
export function itemChunk(id: string): { readonly jobId: JobId; readonly stage: string; readonly chunk: number } {
  return parseChunkId(id.slice(0, id.lastIndexOf('.')));
}

/** The generation that an item was frozen in. */
export const frozenIn = (id: string): number => Number(id.slice(id.lastIndexOf('.') + 1));

/** What became of an item, and why it is not resolved, as far as that is known. */
export interface ItemEnd {
  readonly outcome: ItemOutcome;
  readonly why: OperationItem['why'];
}

const end = (outcome: ItemOutcome, code?: string, message = ''): ItemEnd => ({ outcome, why: code === undefined ? null : { code, message } });

/** Waived by the command that opened the generation. */
export function waiverEnd(id: string, opened: OpenedGeneration | null, isOver: boolean): ItemEnd {
  const { stage, chunk } = itemChunk(id);
  if (opened === null) return isOver ? end('skipped', 'PLAN_EMPTY', 'the operation ended before its job was opened') : end('pending');
  const isTaken = opened.select === 'all' || opened.select.has(`${stage}.${chunk}`);
  return isTaken ? end('resolved') : end('skipped', 'PLAN_USED', 'another redrive took it up since the plan was frozen');
}

/** `manifest`: of the generation that was opened, null while it has not ended. */
export async function outcomeOf(id: string, opened: OpenedGeneration | null, manifest: Manifest | null, isOver: boolean, control: Control): Promise<ItemEnd> {
  const { jobId, stage, chunk } = itemChunk(id);
  const unfinished = isOver || manifest !== null ? end('skipped', 'JOB_CANCELLED', 'its generation ended before it ran') : end('pending');
  if (opened === null) return isOver ? end('skipped', 'PLAN_EMPTY', 'the operation ended before its job was opened') : end('pending');
  if (opened.select !== 'all' && !opened.select.has(`${stage}.${chunk}`))
    return end('skipped', 'PLAN_USED', 'another redrive took it up since the plan was frozen');
  const { generation } = opened;
  if (stage === 'finish') return finishEnd(manifest, unfinished);
  const verdict = (await control.journal.readVerdict(jobId, stage, chunk, generation))?.record;
  switch (verdict?.outcome) {
    case 'committed':
      return end('resolved');
    case 'closed':
      return end('skipped', 'JOB_CANCELLED', 'a later generation took it up before it ran');
    case 'dead': {
      const letter = await control.journal.readDeadLetter(jobId, stage, chunk, generation);
      if (letter?.record.reason.startsWith(abortedReason)) return end('skipped', 'ABORTED', 'the operation was aborted before it ran');
      return end('failedAgain', verdict.code, letter?.record.message ?? '');
    }
    default:
  }
  // A file leaves no verdict when it is planned; the seal names those that were not.
  const sealed = stage === 'plan' ? await control.journal.readSealed(jobId, generation) : null;
  if (sealed !== null) {
    const again = sealed.record.unplannable.find(({ file }) => file === chunk);
    return again === undefined ? end('resolved') : end('failedAgain', again.code, again.message);
  }
  // Committed by the last attempt of the generation before, behind the plan: nothing of it is listed in the one that was opened.
  const before = stage === 'plan' ? null : await control.journal.readVerdict(jobId, stage, chunk, frozenIn(id));
  return before?.record.outcome === 'committed' ? end('resolved') : unfinished;
}

/** Of a job that only had to come to its end. */
function finishEnd(manifest: Manifest | null, unfinished: ItemEnd): ItemEnd {
  if (manifest === null || manifest.state === 'cancelled') return unfinished;
  return manifest.state === 'completed' ? end('resolved') : end('failedAgain', manifest.failure?.code, manifest.failure?.message);
}
