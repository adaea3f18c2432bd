/** Pure: what became of replayed rejects, by the generation whose command took them up. The sums of the job hold each record once, with this fate. */
import type { JobView } from '@millrace/journal';
import { isReplay, type ManifestReplay } from '@millrace/protocol';
import type { ChunkRecord } from './summarise-generation.ts';

export function replaysOf(view: Pick<JobView, 'chunks' | 'commands'>, records: readonly ChunkRecord[]): ManifestReplay[] {
  const first = new Map(view.chunks.map(({ chunk, listedIn }) => [chunk.chunk, listedIn[0] ?? 1]));
  const byGeneration = new Map<number, ManifestReplay>();
  for (const { chunk, verdict } of records) {
    if (!isReplay(chunk)) continue;
    const generation = first.get(chunk.chunk) ?? 1;
    const correction = view.commands.find(({ opens }) => opens === generation)?.correction ?? '';
    const sum = byGeneration.get(generation) ?? { generation, correction, records: 0, emitted: 0, filtered: 0, rejected: 0, unread: 0 };
    byGeneration.set(generation, added(sum, chunk.payloads.length, verdict));
  }
  return [...byGeneration.values()].sort((a, b) => a.generation - b.generation);
}

function added(sum: ManifestReplay, records: number, verdict: ChunkRecord['verdict']): ManifestReplay {
  const total = { ...sum, records: sum.records + records };
  if (verdict?.outcome !== 'committed') return { ...total, unread: sum.unread + records };
  const { emitted, filtered, rejected } = verdict.counts;
  return { ...total, emitted: sum.emitted + emitted, filtered: sum.filtered + filtered, rejected: sum.rejected + rejected };
}
