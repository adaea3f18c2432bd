/**
 * Health as three questions: has it started, may it be given work, must it be restarted. Each is a list of checks over what the process knows already:
 * answering asks nobody, so that a dependency that is away cannot make the answer late.
 */
import type { Clock } from './clock.ts';
import { EventLoop } from './event-loop.ts';
import type { Log } from './logger.ts';

export type Question = 'startup' | 'ready' | 'live';

export interface Finding {
  /** `degraded`: works, with something missing. */
  readonly is: 'ok' | 'degraded' | 'failed';
  /** What was found, with numbers; never a secret. */
  readonly detail: string;
}

export interface CheckReport {
  readonly name: string;
  readonly ok: boolean;
  /** When it became what it is. */
  readonly since: string;
  readonly detail: string;
}

export interface HealthReport {
  readonly status: 'ok' | 'degraded' | 'unready' | 'failing';
  readonly checks: readonly CheckReport[];
}

export type Look = () => Finding;

export interface HealthChange {
  readonly question: Question;
  readonly check: string;
  readonly finding: Finding;
}

interface Check {
  readonly name: string;
  readonly look: Look;
  is: Finding['is'] | null;
  since: string;
}

/** A liveness answer older than this would be one of a loop that stood still. */
const heartbeatMs = 20_000;

export const ok = (detail: string): Finding => ({ is: 'ok', detail });
export const degraded = (detail: string): Finding => ({ is: 'degraded', detail });
export const failed = (detail: string): Finding => ({ is: 'failed', detail });

export class Health {
  readonly #clock: Clock;
  readonly #checks: Readonly<Record<Question, Check[]>> = { startup: [], ready: [], live: [] };
  readonly loop: EventLoop;
  readonly #bornAt: string;
  readonly #onChange: ((change: HealthChange) => void)[] = [];
  #watch: NodeJS.Timeout | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#bornAt = clock.nowIso();
    this.loop = new EventLoop(clock);
    this.add('live', 'eventLoop', () => within(this.loop.sinceBeatMs, heartbeatMs, 'since the last heartbeat'));
  }

  add(question: Question, name: string, look: Look): void {
    this.#checks[question].push({ name, look, is: null, since: this.#clock.nowIso() });
  }

  /** Told when a check is found to be another than before, its first finding left out. */
  onChange(tell: (change: HealthChange) => void): void {
    this.#onChange.push(tell);
  }

  /** A step of the start: the process has started when all have passed. */
  step(name: string): StartStep {
    const step = new StartStep();
    this.add('startup', name, () => step.finding);
    return step;
  }

  /** Watches the event loop, and when checks change, between two questions. */
  start(): void {
    this.loop.start();
    this.#watch ??= setInterval(() => this.#lookAtAll(), 1_000).unref();
  }

  stop(): void {
    this.loop.stop();
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
  }

  /** Whoever has not started is not ready either, and one that has no steps yet has not even begun to. */
  report(question: Question): HealthReport {
    if (question !== 'live' && this.#checks.startup.length === 0) {
      return { status: 'unready', checks: [{ name: 'starting', ok: false, since: this.#bornAt, detail: 'not yet' }] };
    }
    const checks = this.#checks[question].map((check) => this.#lookAt(question, check));
    if (question === 'ready')
      checks.unshift(...this.#checks.startup.map((check) => this.#lookAt('startup', check)).filter(({ finding }) => finding.is === 'failed'));
    return {
      status: statusOf(
        question,
        checks.map(({ finding }) => finding),
      ),
      checks: checks.map(({ report }) => report),
    };
  }

  #lookAtAll(): void {
    for (const question of ['startup', 'ready', 'live'] as const) for (const check of this.#checks[question]) this.#lookAt(question, check);
  }

  #lookAt(question: Question, check: Check): { readonly finding: Finding; readonly report: CheckReport } {
    const finding = check.look();
    if (check.is !== finding.is) {
      const isFirst = check.is === null;
      check.is = finding.is;
      check.since = this.#clock.nowIso();
      if (!isFirst) for (const tell of this.#onChange) tell({ question, check: check.name, finding });
    }
    return { finding, report: { name: check.name, ok: finding.is !== 'failed', since: check.since, detail: finding.detail } };
  }
}

function statusOf(question: Question, findings: readonly Finding[]): HealthReport['status'] {
  if (findings.some(({ is }) => is === 'failed')) return question === 'live' ? 'failing' : 'unready';
  return findings.some(({ is }) => is === 'degraded') ? 'degraded' : 'ok';
}

export class StartStep {
  #finding: Finding = failed('not yet');

  get finding(): Finding {
    return this.#finding;
  }

  passed(detail = 'passed'): void {
    this.#finding = ok(detail);
  }

  failed(detail: string): void {
    this.#finding = failed(detail);
  }
}

/** When something that must go on working did so last: calls to a dependency, passes of a loop. */
export class LastSuccess {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #what: string;
  readonly withinMs: number;
  #atMs: number | null = null;
  #trouble: string | null = null;

  /** `what` as the detail says it: "a call to Redis". */
  constructor(clock: Pick<Clock, 'monotonicMs'>, what: string, withinMs: number) {
    this.#clock = clock;
    this.#what = what;
    this.withinMs = withinMs;
  }

  worked(): void {
    this.#atMs = this.#clock.monotonicMs();
    this.#trouble = null;
  }

  /** `message` stands in the detail until something works again. */
  failed(message: string): void {
    this.#trouble = message;
  }

  /** Milliseconds since; null: never yet. */
  get sinceMs(): number | null {
    return this.#atMs === null ? null : this.#clock.monotonicMs() - this.#atMs;
  }

  look(): Finding {
    const { sinceMs } = this;
    const trouble = this.#trouble === null ? '' : `; ${this.#trouble}`;
    if (sinceMs === null) return failed(`${this.#what} has not worked yet${trouble}`);
    const found = within(sinceMs, this.withinMs, `since ${this.#what} worked`);
    return { ...found, detail: `${found.detail}${trouble}` };
  }
}

/** Fine while `ms` is not above `mostMs`. */
export function within(ms: number, mostMs: number, what: string): Finding {
  const detail = `${Math.round(ms)} ms ${what}, may be ${Math.round(mostMs)}`;
  return ms <= mostMs ? ok(detail) : failed(detail);
}

/** Readiness as it comes and goes, one line for each check that changes. */
export function logHealth(health: Health, log: Log): void {
  health.onChange(({ question, check, finding }) => {
    if (question !== 'ready') return;
    if (finding.is === 'failed') log.warn({ check, reason: finding.detail }, 'not ready');
    else log.info({ check, reason: finding.detail }, 'ready');
  });
}
