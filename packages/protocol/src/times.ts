/**
 * Times of leases, rescue and sweeps. One factor scales them all, so that tests of rescue need seconds; their ratios stay and are checked, because
 * a host must be able to notice a lost lease and to kill its core before anyone else starts the same work.
 */

export interface LeaseTimes {
  readonly timeScale: number;
  /** How long a claim holds without renewal. */
  readonly leaseMs: number;
  /** Distance of two renewals. */
  readonly renewMs: number;
  /** A Redis command without answer for so long fails its connection. */
  readonly socketTimeoutMs: number;
  /** How often the queue looks for stalled claims: rescue takes up to lease + this. */
  readonly stalledIntervalMs: number;
  /** Without proof of the lease for so long the host kills its core: 0.6 of the lease. */
  readonly fenceMs: number;
  /** A core without a sign of life for so long is hung. */
  readonly coreSilenceMs: number;
  /** First and longest delay of a retry, before jitter. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** Distance of two rounds of the leader, and of its slower sweeps. */
  readonly tickMs: number;
  readonly sweepMs: number;
  /** A queued chunk older than this without queue entry is a lost task. */
  readonly lostTaskAgeMs: number;
  /** A job without marks for so long is searched for receipts that nobody marked. */
  readonly unmarkedReceiptAgeMs: number;
  /** Lease of the leading scheduler, and distance of its renewals. */
  readonly leaderLeaseMs: number;
  readonly leaderRenewMs: number;
  /** A worker's entry lives so long after its last beat. */
  readonly workerEntryMs: number;
  readonly workerBeatMs: number;
}

/** Least distance between noticing a lost lease and its end; not scaled down below 50 ms, for a kill takes what it takes. */
const marginMs = 2_000;

/** All times for one scale. Throws when the scale is not in (0, 100], or so small that the ratios no longer hold. */
export function leaseTimes(timeScale = 1): LeaseTimes {
  if (!(timeScale > 0 && timeScale <= 100)) throw new RangeError(`cannot scale times: expected a factor above 0 and up to 100, got ${timeScale}`);
  const scaled = (ms: number, floorMs: number): number => Math.max(Math.round(ms * timeScale), floorMs);
  const leaseMs = scaled(60_000, 600);
  const times: LeaseTimes = {
    timeScale,
    leaseMs,
    renewMs: scaled(10_000, 80),
    socketTimeoutMs: scaled(15_000, 150),
    stalledIntervalMs: scaled(15_000, 150),
    fenceMs: Math.round(leaseMs * 0.6),
    coreSilenceMs: scaled(60_000, 3_000),
    retryBaseMs: scaled(1_000, 20),
    retryMaxMs: scaled(60_000, 200),
    tickMs: scaled(1_000, 50),
    sweepMs: scaled(15_000, 200),
    lostTaskAgeMs: scaled(15_000, 1_000),
    unmarkedReceiptAgeMs: scaled(120_000, 1_000),
    leaderLeaseMs: scaled(15_000, 600),
    leaderRenewMs: scaled(5_000, 150),
    workerEntryMs: scaled(30_000, 1_500),
    workerBeatMs: scaled(5_000, 250),
  };
  const problem = checkLeaseTimes(times);
  if (problem !== null) throw new RangeError(`cannot scale times: ${problem}`);
  return times;
}

/** Null, or which rule the times break. */
export function checkLeaseTimes(times: LeaseTimes): string | null {
  const margin = Math.max(marginMs * Math.min(times.timeScale, 1), 50);
  if (times.renewMs + times.socketTimeoutMs + margin >= times.fenceMs) {
    return `renewal ${times.renewMs} ms + socket timeout ${times.socketTimeoutMs} ms + ${margin} ms must be below the fence of ${times.fenceMs} ms`;
  }
  if (times.fenceMs > times.leaseMs * 0.6 + 1) return `the fence of ${times.fenceMs} ms must not be above 0.6 of the lease of ${times.leaseMs} ms`;
  if (times.leaderRenewMs * 2 >= times.leaderLeaseMs) return `two leader renewals of ${times.leaderRenewMs} ms must fit into ${times.leaderLeaseMs} ms`;
  if (times.workerBeatMs * 2 >= times.workerEntryMs) return `two beats of ${times.workerBeatMs} ms must fit into ${times.workerEntryMs} ms`;
  return null;
}
