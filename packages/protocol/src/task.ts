/** Kinds of tasks and the queue of each. Queues are named by pool and result version, so that a host only claims what it may run. */

export type TaskKind = 'intake' | 'plan' | 'chunk' | 'finish';

/** The kinds that a worker host does; `intake` is the scheduler's. */
export type WorkKind = Exclude<TaskKind, 'intake'>;

export type QueueName = 'intake' | `${WorkKind}-${string}-r${number}`;

export const workKinds = ['plan', 'chunk', 'finish'] as const satisfies readonly WorkKind[];

const workQueuePattern = /^(plan|chunk|finish)-([a-z][a-z0-9-]{0,62})-r([0-9]{1,6})$/;

/** The queue of work of one kind, for the hosts of a pool whose core has this result version. */
export function workQueueName(kind: WorkKind, pool: string, resultVersion: number): QueueName {
  const name: QueueName = `${kind}-${pool}-r${resultVersion}`;
  if (!workQueuePattern.test(name)) throw new TypeError(`cannot name a queue: pool ${JSON.stringify(pool)}, result version ${resultVersion}`);
  return name;
}

export type QueueNameParts = { readonly kind: 'intake' } | { readonly kind: WorkKind; readonly pool: string; readonly resultVersion: number };

/** Throws when the text is no queue's name. */
export function parseQueueName(text: string): QueueNameParts {
  if (text === 'intake') return { kind: 'intake' };
  const match = workQueuePattern.exec(text);
  if (!match) throw new TypeError(`cannot read a queue name: expected intake or <kind>-<pool>-r<result version>, got ${JSON.stringify(text)}`);
  return { kind: match[1] as WorkKind, pool: match[2] ?? '', resultVersion: Number(match[3]) };
}
