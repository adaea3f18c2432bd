/**
 * Faults by name, at times and on victims that one seed gives. The schedule is data: JSON lines that can be written down, shortened by hand and replayed.
 * A fault that finds no victim does nothing; after the last one everything is healed.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Role, RoleName } from './cluster.ts';
import type { Link } from './link.ts';
import { SeededRandom } from './random.ts';

export const faultNames = [
  'kill-host',
  'kill-scheduler',
  'kill-core',
  'stop-host',
  'stop-scheduler',
  'stop-core',
  'drain-host',
  'add-host',
  'kill-redis',
  'lose-redis',
  'flush-redis',
  'freeze-redis',
  'fill-redis',
  'set-back-redis',
  'cut-links',
  'half-open-links',
  'delay-links',
  'slice-links',
  'swallow-answers',
] as const;
export type FaultName = (typeof faultNames)[number];

export interface FaultEvent {
  /** Milliseconds after the start. */
  readonly at: number;
  readonly fault: FaultName;
  /** Chooses the victim: a share of those there are. */
  readonly victim: number;
  /** How long it lasts, where that means something; milliseconds. */
  readonly ms: number;
}

/** Weights of faults; those without one do not happen. */
export type Mix = Partial<Record<FaultName, number>>;

export interface ScheduleOptions {
  readonly seed: number;
  readonly forMs: number;
  /** Distance of two faults on average. */
  readonly everyMs: number;
  readonly mix: Mix;
  /** Durations are drawn from here. */
  readonly lastMs: readonly [least: number, most: number];
}

export function scheduleOf({ seed, forMs, everyMs, mix, lastMs }: ScheduleOptions): FaultEvent[] {
  const random = new SeededRandom(seed);
  const names = Object.entries(mix).flatMap(([name, weight]) => Array.from({ length: weight }, () => name as FaultName));
  const events: FaultEvent[] = [];
  for (let at = random.between(200, everyMs); at < forMs; at += random.between(Math.ceil(everyMs / 2), Math.ceil(everyMs * 1.5))) {
    events.push({ at, fault: random.pick(names), victim: random.next(), ms: random.between(...lastMs) });
  }
  return events;
}

export const writeSchedule = (events: readonly FaultEvent[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('');

/** Throws for a line that is no event. */
export function readSchedule(text: string): FaultEvent[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, index) => {
      const { at, fault, victim, ms } = JSON.parse(line) as FaultEvent;
      if (!faultNames.includes(fault) || ![at, victim, ms].every((number) => Number.isFinite(number)))
        throw new TypeError(`line ${index + 1} is no fault: ${line}`);
      return { at, fault, victim, ms };
    });
}

export interface Battlefield {
  readonly cluster: Cluster;
  readonly links: readonly Link[];
  /** Where older copies of Redis's data are kept. */
  readonly snapshot: string;
  /** As they are started at the beginning. */
  startHost(): Role;
  startScheduler(): Role;
  readonly hosts: number;
  readonly schedulers: number;
}

export interface Done {
  readonly at: number;
  readonly fault: FaultName;
  readonly did: string;
}

/** Runs the schedule to its end, keeping the number of roles up, then heals. Answers what was really done. */
export async function rage(field: Battlefield, events: readonly FaultEvent[]): Promise<Done[]> {
  const done: Done[] = [];
  const startMs = performance.now();
  const lasting: Promise<void>[] = [];
  let hasSnapshot = false;
  if (events.some(({ fault }) => fault === 'set-back-redis')) {
    await field.cluster.redis.snapshot(field.snapshot);
    hasSnapshot = true;
  }
  for (const event of events) {
    await delay(Math.max(0, event.at - (performance.now() - startMs)));
    const fault = begin(event, field, hasSnapshot);
    done.push({ at: event.at, fault: event.fault, did: fault.did });
    // What happens to Redis as a whole ends before the next fault; the others overlap.
    if (fault.isAlone) await fault.ends;
    else lasting.push(fault.ends);
    keepUp(field);
  }
  await Promise.all(lasting);
  for (const link of field.links) link.heal();
  for (const role of field.cluster.living) role.signal('SIGCONT');
  keepUp(field);
  return done;
}

/** Somebody starts anew what died, as a supervisor would. */
function keepUp(field: Battlefield): void {
  const count = (role: RoleName): number => field.cluster.living.filter((one) => one.role === role).length;
  for (let left = field.hosts - count('worker-host'); left > 0; left -= 1) field.startHost();
  for (let left = field.schedulers - count('scheduler'); left > 0; left -= 1) field.startScheduler();
}

interface Begun {
  readonly did: string;
  readonly ends: Promise<void>;
  readonly isAlone?: boolean;
}

const nothing: Begun = { did: 'nothing: no victim', ends: Promise.resolve() };

function begin({ fault, victim, ms }: FaultEvent, field: Battlefield, hasSnapshot: boolean): Begun {
  const { cluster, links } = field;
  const { redis } = cluster;
  const role = (name: RoleName): Role | undefined => {
    const living = cluster.living.filter((one) => one.role === name);
    return living[Math.floor(victim * living.length)];
  };
  const onRole = (name: RoleName, act: (one: Role) => Promise<void>): Begun => {
    const one = role(name);
    return one === undefined ? nothing : { did: one.name, ends: act(one) };
  };
  const stopped = async (one: { signal(signal: NodeJS.Signals): void }): Promise<void> => {
    one.signal('SIGSTOP');
    await delay(ms);
    one.signal('SIGCONT');
  };
  const each = (act: (link: Link) => void): void => {
    for (const link of links) act(link);
  };
  const onLinks = (act: () => void): Begun => {
    act();
    return { did: `${links.length} links for ${ms} ms`, ends: delay(ms).then(() => each((link) => link.heal())) };
  };
  const alone = (did: string, ends: Promise<void>): Begun => ({ did, ends, isAlone: true });
  switch (fault) {
    case 'kill-host':
      return onRole('worker-host', (one) => one.kill());
    case 'kill-scheduler':
      return onRole('scheduler', (one) => one.kill());
    case 'stop-host':
      return onRole('worker-host', stopped);
    case 'stop-scheduler':
      return onRole('scheduler', stopped);
    case 'drain-host':
      return onRole('worker-host', async (one) => one.signal('SIGTERM'));
    case 'add-host':
      return { did: field.startHost().name, ends: Promise.resolve() };
    case 'kill-core':
    case 'stop-core': {
      const cores = cluster.living.filter((one) => one.role === 'worker-host').flatMap((one) => coresOf(one.pid));
      const pid = cores[Math.floor(victim * cores.length)];
      if (pid === undefined) return nothing;
      const signal = (name: NodeJS.Signals): void => signalQuietly(pid, name);
      return { did: `core ${pid}`, ends: fault === 'kill-core' ? Promise.resolve(signal('SIGKILL')) : stopped({ signal }) };
    }
    case 'kill-redis':
      return alone(
        'killed and started',
        redis
          .kill()
          .then(() => delay(ms))
          .then(() => redis.start()),
      );
    case 'lose-redis':
      return alone('killed, deleted, started empty', redis.loseEverything());
    case 'flush-redis':
      return alone(
        'FLUSHALL',
        redis.command('FLUSHALL').then(() => {}),
      );
    case 'freeze-redis':
      return alone(`for ${ms} ms`, redis.freeze(ms));
    case 'fill-redis':
      return alone(`full for ${ms} ms`, fill(field, ms));
    case 'set-back-redis':
      return hasSnapshot ? alone('an older copy', redis.goBackTo(field.snapshot)) : nothing;
    case 'cut-links':
      return onLinks(() => each((link) => link.cut()));
    case 'half-open-links':
      return onLinks(() => {
        const one = links[Math.floor(victim * links.length)];
        if (one !== undefined) one.isHalfOpen = true;
      });
    case 'delay-links':
      return onLinks(() => each((link) => void Object.assign(link, { delayMs: Math.ceil(victim * 120) })));
    case 'slice-links':
      return onLinks(() => each((link) => void Object.assign(link, { sliceBytes: 1 + Math.floor(victim * 9) })));
    case 'swallow-answers': {
      const every = 11 + Math.floor(victim * 40);
      return onLinks(() => each((link) => link.swallow((answer) => answer % every === 0)));
    }
    default:
      return fault satisfies never;
  }
}

/** No more than what is used now and a little: every write is refused that needs memory. */
async function fill({ cluster: { redis } }: Battlefield, ms: number): Promise<void> {
  const used = /used_memory:(\d+)/.exec(await redis.command('INFO', 'memory'))?.[1] ?? '0';
  await redis.command('CONFIG', 'SET', 'maxmemory', String(Number(used) + (64 << 10)));
  await delay(ms);
  await redis.command('CONFIG', 'SET', 'maxmemory', '0');
}

export function coresOf(hostPid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isCoreOf(hostPid, pid));
}

function isCoreOf(parent: number, pid: number): boolean {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return Number(fields[1]) === parent && /millrace-core/.test(readlinkSync(`/proc/${pid}/exe`));
  } catch {
    return false;
  }
}

function signalQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}
