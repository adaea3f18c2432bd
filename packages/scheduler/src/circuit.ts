/**
 * Pure: when to spare a store that throttles or is away. Closed: all goes. Open: nothing that needs the store is dispatched, and what fails of it uses up no
 * attempt. Half open, after a while: one probe goes; its success closes the circuit, its failure opens it for twice as long.
 */

/** Instants are milliseconds of one clock. */
export interface Circuit {
  readonly state: 'closed' | 'open' | 'halfOpen';
  /** In the present window of a closed circuit. */
  readonly failures: number;
  readonly successes: number;
  readonly windowEndsAt: number;
  /** Of an open one. */
  readonly openUntil: number;
  /** Openings since it was closed. */
  readonly openings: number;
  /** When the probe of a half open one was sent; null: none is under way. */
  readonly probeSentAt: number | null;
}

export interface CircuitTimes {
  readonly windowMs: number;
  /** How long it is open at first, and at most. */
  readonly openMs: number;
  readonly longestOpenMs: number;
  /** A probe that has not ended after so long is replaced. */
  readonly probeMs: number;
}

/** So many failures open it, if they are as many as the successes. */
const leastFailures = 5;

export const closedCircuit: Circuit = { state: 'closed', failures: 0, successes: 0, windowEndsAt: 0, openUntil: 0, openings: 0, probeSentAt: null };

export function circuitTimes(timeScale: number): CircuitTimes {
  return { windowMs: 20_000 * timeScale, openMs: 5_000 * timeScale, longestOpenMs: 60_000 * timeScale, probeMs: 60_000 * timeScale };
}

/** What has changed by time alone. */
export function circuitAt(circuit: Circuit, nowMs: number, times: CircuitTimes): Circuit {
  if (circuit.state === 'open' && nowMs >= circuit.openUntil) return { ...circuit, state: 'halfOpen', probeSentAt: null };
  if (circuit.state === 'halfOpen' && circuit.probeSentAt !== null && nowMs - circuit.probeSentAt >= times.probeMs) return { ...circuit, probeSentAt: null };
  if (circuit.state === 'closed' && nowMs >= circuit.windowEndsAt) return { ...closedCircuit, windowEndsAt: nowMs + times.windowMs };
  return circuit;
}

export function afterFailures(before: Circuit, count: number, nowMs: number, times: CircuitTimes): Circuit {
  const circuit = circuitAt(before, nowMs, times);
  if (circuit.state === 'open' || count === 0) return circuit;
  const failures = circuit.failures + count;
  if (circuit.state === 'closed' && (failures < leastFailures || failures < circuit.successes)) return { ...circuit, failures };
  const openMs = Math.min(times.longestOpenMs, times.openMs * 2 ** circuit.openings);
  return { ...closedCircuit, state: 'open', openUntil: nowMs + openMs, openings: circuit.openings + 1 };
}

/** While it is open successes are those of attempts that began before, and say nothing of the store as it is now. */
export function afterSuccesses(before: Circuit, count: number, nowMs: number, times: CircuitTimes): Circuit {
  const circuit = circuitAt(before, nowMs, times);
  if (count === 0 || circuit.state === 'open') return circuit;
  if (circuit.state === 'halfOpen') return circuit.probeSentAt === null ? circuit : { ...closedCircuit, windowEndsAt: nowMs + times.windowMs };
  return { ...circuit, successes: circuit.successes + count };
}

/** How many tasks that need the store may go now. */
export function roomOf(circuit: Circuit): number {
  if (circuit.state === 'closed') return Number.POSITIVE_INFINITY;
  return circuit.state === 'halfOpen' && circuit.probeSentAt === null ? 1 : 0;
}

export function withProbe(circuit: Circuit, nowMs: number): Circuit {
  return circuit.state === 'halfOpen' ? { ...circuit, probeSentAt: nowMs } : circuit;
}

/** Scheme and authority of the URI in the sentence of a storage failure: which store it was. Null when none stands there. */
export function storeIn(message: string): string | null {
  const found = /\b(s3|gs|az|https?):\/\/([^\s/"',;:]+(?::\d+)?)|\b(file):\/\//.exec(message);
  if (found === null) return null;
  return found[3] === undefined ? `${found[1]}://${found[2]}` : 'file://';
}
