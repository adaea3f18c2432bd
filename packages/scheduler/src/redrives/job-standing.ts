/** Where a job stands for a redrive: its newest generation, whether that has ended, and how fast it went. From the ledger, else from the journal. */
import { newestGeneration } from '@millrace/journal';
import { isTerminalJobState, type JobId, type Manifest } from '@millrace/protocol';
import type { Control } from '../control.ts';
import { knownJob } from '../known-ledger.ts';

export interface JobStanding {
  readonly jobId: JobId;
  readonly name: string;
  readonly tenant: string;
  readonly state: string;
  readonly generation: number;
  readonly ended: boolean;
  /** Of the newest generation that ended; null when none did. */
  readonly manifest: Manifest | null;
}

/** Null: there is no such job. */
export async function standingOf(jobId: JobId, control: Control): Promise<JobStanding | null> {
  const facts = await control.facts.spec(jobId, 1);
  if (facts === null) return null;
  const { name, tenant } = facts.job;
  const manifest = (await control.journal.readNewestManifest(jobId))?.record ?? null;
  const known = await knownJob(jobId, control);
  if (known !== null) {
    const ended = isTerminalJobState(known.state);
    return { jobId, name, tenant, state: known.state, generation: known.generation, ended, manifest };
  }
  const generation = newestGeneration(await control.journal.readCommands(jobId));
  const ended = manifest?.generation === generation;
  return { jobId, name, tenant, state: ended ? manifest.state : 'running', generation, ended, manifest };
}
