/** Pure: what became of replayed rejects, by the generation whose command took them up. The sums of the job hold each record once, with this fate. */
import type { PlanIndex } from '@millrace/journal';
import { type Command, isReplay, type ManifestReplay } from '@millrace/protocol';
import type { ChunkRecord } from './summarise-generation.ts';

export class ReplaySums {
  readonly #index: Pick<PlanIndex, 'replayedIn'>;
  readonly #commands: readonly Command[];
  readonly #byGeneration = new Map<number, ManifestReplay>();

  constructor(index: Pick<PlanIndex, 'replayedIn'>, commands: readonly Command[]) {
    this.#index = index;
    this.#commands = commands;
  }

  add({ chunk, verdict }: ChunkRecord): void {
    if (!isReplay(chunk)) return;
    const generation = this.#index.replayedIn(chunk.chunk) ?? 1;
    const correction = this.#commands.find(({ opens }) => opens === generation)?.correction ?? '';
    const sum = this.#byGeneration.get(generation) ?? { generation, correction, records: 0, emitted: 0, filtered: 0, rejected: 0, unread: 0 };
    this.#byGeneration.set(generation, added(sum, chunk.payloads.length, verdict));
  }

  total(): ManifestReplay[] {
    return [...this.#byGeneration.values()].sort((a, b) => a.generation - b.generation);
  }
}

function added(sum: ManifestReplay, records: number, verdict: ChunkRecord['verdict']): ManifestReplay {
  const total = { ...sum, records: sum.records + records };
  if (verdict?.outcome !== 'committed') return { ...total, unread: sum.unread + records };
  const { emitted, filtered, rejected } = verdict.counts;
  return { ...total, emitted: sum.emitted + emitted, filtered: sum.filtered + filtered, rejected: sum.rejected + rejected };
}
