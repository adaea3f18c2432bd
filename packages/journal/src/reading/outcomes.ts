/** Which chunks of a job have committed and which are dead, a bit each as the ledger keeps them: read from the journal, when the ledger does not have the job. */
import { type JobRecord, jobStages, type Manifest } from '@millrace/protocol';

import { listDeadLetters } from '../dead-letters.ts';
import { verdictKey } from '../paths.ts';
import type { Store } from '../store.ts';
import { listVerdicts, readVerdictAt } from '../verdicts.ts';
import type { PlanIndex } from './plan-index.ts';

/** The first chunk is the highest bit of the first byte. What is beyond the end is not set. */
export interface OutcomeBits {
  readonly committed: Uint8Array;
  readonly dead: Uint8Array;
}

export function bitAt(bits: Uint8Array, number: number): boolean {
  return (((bits[number >> 3] ?? 0) >> (7 - (number & 7))) & 1) === 1;
}

export function setBit(bits: Uint8Array, number: number): void {
  bits[number >> 3] = (bits[number >> 3] ?? 0) | (1 << (7 - (number & 7)));
}

const atOnce = 32;

/** What of a job must be known. `manifests`: those of generations that ended. */
export interface OutcomesOf {
  readonly job: JobRecord;
  readonly index: PlanIndex;
  readonly generation: number;
  readonly manifests: readonly Manifest[];
}

/**
 * By names where that suffices. When the manifest says that no chunk is open, all that have no dead letter have committed. Else a filled verdict is a receipt
 * unless there is a dead letter beside it or a command may have closed it; only those are read.
 */
export async function readOutcomeBits(store: Store, of: OutcomesOf): Promise<OutcomeBits> {
  const bytes = (of.index.size >> 3) + 1;
  const bits = { committed: new Uint8Array(bytes), dead: new Uint8Array(bytes) };
  const letters = await lettersThatCount(store, of);
  const isOver = of.manifests.some(({ generation, chunks }) => generation === of.generation && chunks.open === 0);
  if (isOver) {
    for (let chunk = 0; chunk < of.index.size; chunk += 1) if (of.index.has(chunk) && !letters.has(chunk)) setBit(bits.committed, chunk);
    await readUnsure(store, [...letters.values()], bits);
  } else {
    await readByName(store, of, letters, bits);
  }
  return bits;
}

/** Chunk → the name of the verdict beside its dead letter, of the generation that counts. */
async function lettersThatCount(store: Store, { job, index }: OutcomesOf): Promise<Map<number, string>> {
  const letters = new Map<number, string>();
  for (const { name: stage } of jobStages(job)) {
    for await (const { chunk, generation } of listDeadLetters(store, job.jobId, stage)) {
      if (listedIn(index, chunk) === generation) letters.set(chunk, verdictKey(job.jobId, stage, chunk, generation));
    }
  }
  return letters;
}

async function readByName(store: Store, of: OutcomesOf, letters: ReadonlyMap<number, string>, bits: OutcomeBits): Promise<void> {
  const { job, index, manifests } = of;
  const mayBeClosed = new Set(manifests.filter(({ generation, chunks }) => generation < of.generation && chunks.open > 0).map(({ generation }) => generation));
  const unsure: string[] = [];
  for (const { name: stage } of jobStages(job)) {
    for await (const { key, chunk, generation } of listVerdicts(store, job.jobId, stage)) {
      if (listedIn(index, chunk) !== generation) continue;
      if (letters.has(chunk) || mayBeClosed.has(generation)) unsure.push(key);
      else setBit(bits.committed, chunk);
    }
  }
  await readUnsure(store, unsure, bits);
}

const listedIn = (index: PlanIndex, chunk: number): number | undefined => index.segments[index.segmentOf(chunk)]?.generation;

async function readUnsure(store: Store, keys: readonly string[], bits: OutcomeBits): Promise<void> {
  for (let at = 0; at < keys.length; at += atOnce) {
    const verdicts = await Promise.all(keys.slice(at, at + atOnce).map((key) => readVerdictAt(store, key)));
    for (const verdict of verdicts) {
      if (verdict?.record.outcome === 'committed') setBit(bits.committed, verdict.record.chunk);
      if (verdict?.record.outcome === 'dead') setBit(bits.dead, verdict.record.chunk);
    }
  }
}
