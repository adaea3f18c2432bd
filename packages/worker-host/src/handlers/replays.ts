/** Pure: what became of replayed rejects, by the generation whose command took them up. The sums of the job hold each record once, with this fate. */
import type { PlanIndex } from '@millrace/journal';
import { type Command, type InlineChunk, isKeyStage, isReplay, type ManifestReplay, type Verdict } from '@millrace/protocol';
import type { ChunkRecord } from './summarise-generation.ts';

/** Records whose bytes lie in one place: a chunk, or where keys are unique one of the pass over them and one behind it, as soon as that is planned. */
interface ReplayedPart {
  generation: number;
  readonly records: number;
  /** Of the chunk that decides their fates. */
  verdict: Verdict | null;
}

export class ReplaySums {
  readonly #index: Pick<PlanIndex, 'replayedIn'>;
  readonly #commands: readonly Command[];
  readonly #parts = new Map<string, ReplayedPart>();

  constructor(index: Pick<PlanIndex, 'replayedIn'>, commands: readonly Command[]) {
    this.#index = index;
    this.#commands = commands;
  }

  add({ stage, chunk, verdict }: ChunkRecord): void {
    if (!isReplay(chunk)) return;
    const generation = this.#index.replayedIn(chunk.chunk) ?? 1;
    const part = this.#partOf(chunk, generation);
    // The chunk behind a pass over keys may be of a later generation than the replay.
    part.generation = Math.min(part.generation, generation);
    if (!isKeyStage(stage)) part.verdict = verdict;
  }

  #partOf(chunk: InlineChunk, generation: number): ReplayedPart {
    const place = `${chunk.key} ${chunk.offset}`;
    const part = this.#parts.get(place) ?? { generation, records: chunk.payloads.length, verdict: null };
    this.#parts.set(place, part);
    return part;
  }

  total(): ManifestReplay[] {
    const byGeneration = new Map<number, ManifestReplay>();
    for (const { generation, records, verdict } of this.#parts.values()) {
      const correction = this.#commands.find(({ opens }) => opens === generation)?.correction ?? '';
      const sum = byGeneration.get(generation) ?? { generation, correction, records: 0, emitted: 0, filtered: 0, rejected: 0, unread: 0 };
      byGeneration.set(generation, added(sum, records, verdict));
    }
    return [...byGeneration.values()].sort((a, b) => a.generation - b.generation);
  }
}

function added(sum: ManifestReplay, records: number, verdict: Verdict | null): ManifestReplay {
  const total = { ...sum, records: sum.records + records };
  if (verdict?.outcome !== 'committed') return { ...total, unread: sum.unread + records };
  const { emitted, filtered, rejected } = verdict.counts;
  return { ...total, emitted: sum.emitted + emitted, filtered: sum.filtered + filtered, rejected: sum.rejected + rejected };
}
