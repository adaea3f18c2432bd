/** What a host counts of its cores: why each was started, what was asked of it, and how much memory and scratch space they hold together. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type CoreGoneError, type CoreProcess, type CoreWatch, type RequestInput, storeOperations } from '@millrace/core-client';
import type { LastSuccess, Log } from '@millrace/service-kit';
import type { CoreRequestLabel, CoreStartReason, HostMetrics } from './metrics.ts';

const requestLabels: Readonly<Partial<Record<RequestInput['type'], CoreRequestLabel>>> = {
  Probe: 'probe',
  Plan: 'plan',
  Process: 'process',
  Reduce: 'reduce',
  Inspect: 'inspect',
};

export class CoreCounts {
  readonly #metrics: HostMetrics;
  readonly #scratch: string;
  readonly #bySlot = new Map<number, CoreProcess>();
  readonly watch: CoreWatch;

  constructor(metrics: HostMetrics, scratch: string) {
    this.#metrics = metrics;
    this.#scratch = scratch;
    this.watch = {
      bytes: (direction, bytes) => metrics.recordPipeBytes(direction, bytes),
      request: (request, seconds, worked) => this.#count(request, seconds, worked),
    };
  }

  /** Waits for the end of the core that the slot had before: the pool does not start a second one either. */
  async started(slot: number, core: CoreProcess, log: Log): Promise<void> {
    const before = this.#bySlot.get(slot);
    this.#bySlot.set(slot, core);
    const { pid, hello } = core;
    void core.gone.then(({ code, exitCode, signal, killedFor }) => log.info({ slot, pid, code, exitCode, signal, reason: killedFor }, 'core ended'));
    const reason = before === undefined ? 'first' : before.isSpent ? 'crash' : startReason(await before.gone);
    this.#metrics.recordCoreStarted(reason);
    log.info({ slot, pid, reason, coreVersion: hello.coreVersion, sandbox: hello.sandbox, missing: hello.sandboxMissing }, 'core started');
  }

  /** Reads what the system says of the processes; to be repeated. Answers the resident bytes of the cores. */
  measure(): number {
    const live = [...this.#bySlot.values()].filter(({ isAlive }) => isAlive);
    const resident = live.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
    this.#metrics.recordCores({
      residentBytes: resident,
      spillBytes: bytesBelow(this.#scratch, { left: mostEntries }),
      sandboxes: live.map(({ hello }) => hello.sandbox),
    });
    return resident;
  }

  #count(request: RequestInput, seconds: number, worked: boolean): void {
    const operation = storeOperations[request.type];
    const label = requestLabels[request.type] ?? (operation === undefined ? null : 'store');
    if (label !== null) this.#metrics.recordCoreRequest(label, seconds);
    if (operation === undefined || !('scope' in request)) return;
    this.#metrics.recordCall(request.scope.kind === 'journal' ? 'journal' : 'output', operation, worked ? 'ok' : 'failed', seconds);
  }
}

/** Why a slot needed another core, by how the one before it ended. */
export function startReason({ code, killedFor, exitCode }: Pick<CoreGoneError, 'code' | 'killedFor' | 'exitCode'>): CoreStartReason {
  if (killedFor === 'fence') return 'fence';
  if (killedFor === 'stop' || (killedFor === null && exitCode === 0)) return 'recycle';
  if (code === 'CORE_MEMORY') return 'memory';
  if (code === 'PROTOCOL_VIOLATION') return 'protocol';
  return code === 'CORE_HUNG' || code === 'CORE_TIME_LIMIT' ? 'hang' : 'crash';
}

/** 0 where the system does not tell, or the process is gone. */
function residentBytes(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}

/** Spilled runs are few and large; what is beyond this many entries is not looked at. */
const mostEntries = 2_000;

function bytesBelow(directory: string, bound: { left: number }): number {
  let bytes = 0;
  for (const entry of entriesOf(directory)) {
    if (bound.left-- <= 0) break;
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? bytesBelow(path, bound) : sizeOf(path);
  }
  return bytes;
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Cores remove their files while we look. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** What a check of a dependency comes to, told to whoever judges by its last success. */
export async function toldTo(last: LastSuccess, call: () => Promise<unknown>): Promise<void> {
  try {
    await call();
    last.worked();
  } catch (error) {
    last.failed(error instanceof Error ? error.message : String(error));
  }
}
