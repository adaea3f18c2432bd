/** What became of the items of an operation, from the journal alone: the truth that counts from bits are a fast view of. */
import type { ItemOutcome, JobId, Manifest } from '@millrace/protocol';
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

/** `manifest`: of the generation that was opened, null while it has not ended. */
export async function outcomeOf(
  id: string,
  opened: OpenedGeneration | null,
  manifest: Manifest | null,
  isOver: boolean,
  control: Control,
): Promise<ItemOutcome> {
  const { jobId, stage, chunk } = itemChunk(id);
  const unfinished = isOver || manifest !== null ? 'skipped' : 'pending';
  if (opened === null) return unfinished;
  if (opened.select !== 'all' && !opened.select.has(`${stage}.${chunk}`)) return 'skipped';
  const { generation } = opened;
  const verdict = (await control.journal.readVerdict(jobId, stage, chunk, generation))?.record;
  switch (verdict?.outcome) {
    case 'committed':
      return 'resolved';
    case 'closed':
      return 'skipped';
    case 'dead': {
      const letter = await control.journal.readDeadLetter(jobId, stage, chunk, generation);
      return letter?.record.reason.startsWith(abortedReason) ? 'skipped' : 'failedAgain';
    }
    default:
  }
  // A file leaves no verdict when it is planned; the seal names those that were not.
  const sealed = stage === 'plan' ? await control.journal.readSealed(jobId, generation) : null;
  if (sealed !== null) return sealed.record.unplannable.some(({ file }) => file === chunk) ? 'failedAgain' : 'resolved';
  return unfinished;
}
