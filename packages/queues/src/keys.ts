/**
 * The only file that spells a key of Redis. All keys share the hash tag in the prefix, so that one script may touch several of them in a
 * cluster too. Job ids and stage names come from closed alphabets; tenants are checked where they enter.
 */

export const defaultPrefix = 'millrace:{m}';

/** Keys of one job in one epoch, in the order that the scripts expect them (`ledger-scripts.ts`). */
export type JobKeys = readonly string[];

export interface Keys {
  readonly prefix: string;
  readonly sentinel: string;
  readonly leader: string;
  request(tenant: string, id: string): string;
  answer(tenant: string, id: string): string;
  status(tenant: string, jobId: string): string;
  events(tenant: string, jobId: string): string;
  readonly allEvents: string;
  worker(id: string): string;
  /** What an operator asked of a worker. */
  workerOrder(id: string): string;
  readonly workers: string;
  readonly sweeps: string;
  readonly circuits: string;
  /** What a pool of hosts wants, as the leader last computed it; what it wanted before; when each pool was last heard of. */
  scaling(pool: string): string;
  scalingDecisions(pool: string): string;
  readonly scalingPools: string;
  /** Queue → how people set it, as the registry has it. */
  readonly queueSettings: string;
  /** Names of all queues. */
  readonly queueNames: string;
  /** Before `<tenant>:<kind>:<step>`: what happened in a step of time. */
  readonly seriesPrefix: string;
  readonly seriesTenants: string;
  /** Channels. */
  readonly nudges: string;
  jobs(epoch: string): string;
  due(epoch: string): string;
  job(epoch: string, jobId: string): JobKeys;
  live(epoch: string, jobId: string): string;
  letters(epoch: string, jobId: string): string;
  rejects(epoch: string, jobId: string): string;
  segments(epoch: string, jobId: string): string;
  late(epoch: string, jobId: string): string;
  again(epoch: string, jobId: string): string;
  /** What stands before the number of a bucket of a stream's chunk keys. */
  streamKeysPrefix(epoch: string, jobId: string): string;
  chunk(epoch: string, chunkId: string): string;
  /** Rejects of chunks that have some; a bounded number of chunks. */
  rejectedChunks(epoch: string, jobId: string): string;
  /** Error groups of a job; ids of attempts that are counted in them. */
  groups(epoch: string, jobId: string): string;
  countedFailures(epoch: string, jobId: string): string;
  /** Jobs that have dead letters or error groups, whether they run or ended. */
  troubled(epoch: string): string;
  /** Stands when every job of the journal was looked through for these. */
  indexed(epoch: string): string;
  /** Operations that are not over. */
  operations(epoch: string): string;
  /** Pace and live counts of one. */
  operation(id: string): string;
  /** What `chunk` puts before the id; scripts that drop all chunks of a job need it. */
  chunkPrefix(epoch: string): string;
  /** A browser session, by the digest of its cookie. */
  session(digest: string): string;
  /** What the API answered a call with an idempotency key, by the digest of who asked, what and with which key. */
  callAnswer(digest: string): string;
  /** When tokens were last used. */
  readonly tokenUse: string;
  /** The link that creates the first account, by the digest of its secret. */
  firstSignIn(digest: string): string;
  /** What the holder of a link may make of it, by the digest of the link's secret. */
  invitation(digest: string): string;
  /** Tries to sign in, by what they are counted for. */
  signInTries(of: string): string;
  /** Matches all keys of an epoch that is over. */
  epochPattern(epoch: string): string;
}

const tenantPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** Throws when the tenant's name could reach another tenant's keys. */
function checkedTenant(tenant: string): string {
  if (!tenantPattern.test(tenant)) throw new TypeError(`cannot name a key: expected a tenant name, got ${JSON.stringify(tenant)}`);
  return tenant;
}

/** Redis reads `*?[]\` in a pattern; braces are plain. */
function globEscaped(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&');
}

export function keysUnder(prefix: string): Keys {
  const at = (...parts: string[]): string => [prefix, ...parts].join(':');
  return {
    prefix,
    sentinel: at('sentinel'),
    leader: at('leader'),
    request: (tenant, id) => at('request', checkedTenant(tenant), id),
    answer: (tenant, id) => at('answer', checkedTenant(tenant), id),
    status: (tenant, jobId) => at('status', checkedTenant(tenant), jobId),
    events: (tenant, jobId) => at('events', checkedTenant(tenant), jobId),
    allEvents: at('events'),
    worker: (id) => at('worker', id),
    workerOrder: (id) => at('worker-order', id),
    workers: at('workers'),
    sweeps: at('sweeps'),
    circuits: at('circuits'),
    scaling: (pool) => at('scaling', pool),
    scalingDecisions: (pool) => at('scaling-decisions', pool),
    scalingPools: at('scaling-pools'),
    queueSettings: at('queue-settings'),
    queueNames: at('queue-names'),
    seriesPrefix: `${at('series')}:`,
    seriesTenants: at('series-tenants'),
    nudges: at('nudges'),
    jobs: (epoch) => at(epoch, 'jobs'),
    due: (epoch) => at(epoch, 'due'),
    live: (epoch, jobId) => at(epoch, 'live', jobId),
    letters: (epoch, jobId) => at(epoch, 'letters', jobId),
    rejects: (epoch, jobId) => at(epoch, 'rejects', jobId),
    segments: (epoch, jobId) => at(epoch, 'segments', jobId),
    late: (epoch, jobId) => at(epoch, 'late', jobId),
    again: (epoch, jobId) => at(epoch, 'again', jobId),
    streamKeysPrefix: (epoch, jobId) => `${at(epoch, 'keys', jobId)}:`,
    chunk: (epoch, chunkId) => at(epoch, 'chunk', chunkId),
    rejectedChunks: (epoch, jobId) => at(epoch, 'rejected', jobId),
    groups: (epoch, jobId) => at(epoch, 'groups', jobId),
    countedFailures: (epoch, jobId) => at(epoch, 'failed', jobId),
    troubled: (epoch) => at(epoch, 'troubled'),
    indexed: (epoch) => at(epoch, 'indexed'),
    operations: (epoch) => at(epoch, 'operations'),
    operation: (id) => at('operation', id),
    chunkPrefix: (epoch) => `${at(epoch, 'chunk')}:`,
    epochPattern: (epoch) => `${globEscaped(prefix)}:${epoch}:*`,
    session: (digest) => at('session', digest),
    callAnswer: (digest) => at('call', digest),
    tokenUse: at('token-use'),
    firstSignIn: (digest) => at('first-sign-in', digest),
    invitation: (digest) => at('invitation', digest),
    signInTries: (of) => at('sign-in-tries', of),
    job: (epoch, jobId) => [
      at('sentinel'),
      at(epoch, 'jobs'),
      at(epoch, 'job', jobId),
      at(epoch, 'segments', jobId),
      at(epoch, 'done', jobId),
      at(epoch, 'counted', jobId),
      at(epoch, 'dead', jobId),
      at(epoch, 'live', jobId),
      at(epoch, 'again', jobId),
      at(epoch, 'due'),
      at(epoch, 'rejects', jobId),
      at(epoch, 'letters', jobId),
      at(epoch, 'late', jobId),
    ],
  };
}
