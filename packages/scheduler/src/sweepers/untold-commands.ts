/**
 * Commands that stand in the journal and that the ledger was not told: their scheduler died in between, a rebuild had read the log just before, or a
 * command line put them there by itself. Applied in order; the number of the last one applied makes each count once.
 */
import type { LedgerJobView } from '@millrace/queues';
import type { Control } from '../control.ts';
import { flagsOf } from '../rebuild.ts';

export async function tellCommands(job: LedgerJobView, control: Control): Promise<void> {
  const { jobId, generation, lastCommand } = job;
  for (const command of await control.journal.readCommands(jobId, lastCommand + 1)) {
    const flags = flagsOf(command.command);
    if (command.generation !== generation || flags === null) continue;
    if (await control.queues.ledger.applyFlags(jobId, generation, command.number, flags)) {
      control.metrics.recordRepair('untold_command');
      control.log.info({ jobId, command: command.command, number: command.number }, 'command found in the journal');
    }
  }
}
