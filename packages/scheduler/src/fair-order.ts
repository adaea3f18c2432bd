/** Pure: whose chunk is next. The highest priority first; among equals one chunk each in turn, the one served longest ago first. */

export interface Candidate<Item> {
  readonly jobId: string;
  /** 0–9, 9 first. */
  readonly priority: number;
  readonly items: readonly Item[];
}

/** At most `free` items. `lastServed`: the job that got the last one before, so that turns go on between calls. */
export function fairOrder<Item>(candidates: readonly Candidate<Item>[], free: number, lastServed: string | null = null): Item[] {
  const order: Item[] = [];
  const priorities = [...new Set(candidates.map((candidate) => candidate.priority))].sort((a, b) => b - a);
  for (const priority of priorities) {
    const group = candidates.filter((candidate) => candidate.priority === priority).sort((a, b) => (a.jobId < b.jobId ? -1 : 1));
    takeTurns(startingBehind(group, lastServed), free, order);
  }
  return order;
}

function takeTurns<Item>(group: readonly Candidate<Item>[], free: number, order: Item[]): void {
  const longest = Math.max(0, ...group.map((candidate) => candidate.items.length));
  for (let turn = 0; turn < longest; turn++) {
    for (const candidate of group) {
      if (order.length >= free) return;
      const item = candidate.items[turn];
      if (item !== undefined) order.push(item);
    }
  }
}

function startingBehind<Item>(group: readonly Candidate<Item>[], lastServed: string | null): readonly Candidate<Item>[] {
  if (lastServed === null) return group;
  const next = group.findIndex((candidate) => candidate.jobId > lastServed);
  return next <= 0 ? group : [...group.slice(next), ...group.slice(0, next)];
}
