/** About how many chunks a job gets, before anybody cuts one. Pure. */
import { maxChunksPerJob } from './limits.ts';
import { sizeText } from './units.ts';

/** Stored bytes over the chunk size: planning cuts at the ends of records, and lets small files share a chunk. */
export function estimatedChunks(bytes: number, chunkSize: number): number {
  return Math.ceil(bytes / chunkSize);
}

/** Null, or why so much is too much for one job: its plan would be refused anyhow, only hours later. */
export function tooManyChunks(bytes: number, chunkSize: number): string | null {
  const chunks = estimatedChunks(bytes, chunkSize);
  if (chunks <= maxChunksPerJob) return null;
  return `expected at most ${maxChunksPerJob} chunks in a job, got about ${chunks} of ${sizeText(chunkSize)}: a larger execution.chunkSize, or several jobs`;
}
