/** A host that finishes one job and says what it held: `node finish-host.ts <directory> <job id>`. */
import { join } from 'node:path';
import { startCore } from '../../packages/core-client/src/core-process.ts';
import { corePath, SteadyCore } from '../../packages/core-client/src/index.ts';
import { jobKey, journalConnection, openJournal } from '../../packages/journal/src/index.ts';
import { chunkId, fileUri, type JobId, leaseTimes } from '../../packages/protocol/src/index.ts';
import { openQueues } from '../../packages/queues/src/index.ts';
import { startTestRedis } from '../../packages/queues/src/testing/redis.ts';
import { processMetrics, silentLog, systemClock } from '../../packages/service-kit/src/index.ts';
import { finishJob } from '../../packages/worker-host/src/handlers/finish-job.ts';
import type { Host } from '../../packages/worker-host/src/host.ts';
import { hostFolding, hostMetrics } from '../../packages/worker-host/src/metrics.ts';

const [directory = '', jobId = ''] = process.argv.slice(2) as [string, JobId];
const redis = await startTestRedis();
const times = leaseTimes(1);
const journalUri = fileUri(join(directory, 'journal'));
const store = new SteadyCore(() =>
  startCore({
    binary: corePath(),
    hello: {
      hostVersion: 'bench',
      slot: 0,
      memoryBytes: 256 << 20,
      scratchBytes: 0,
      scratchDir: '/tmp',
      readRoots: [],
      writeRoots: [join(directory, 'journal'), join(directory, 'out')],
      connections: [journalConnection(journalUri)],
      httpAllow: [],
      ports: [],
      sandbox: 'bestEffort',
      logLevel: 'warn',
    },
    log: silentLog,
    timeScale: 1,
  } as never),
);
const { hello } = await store.current();
const queues = await openQueues({ redis: redis.url, times, log: silentLog });
const journal = openJournal(store);
const job = await journal.readJobRecord(jobId as JobId);
if (job === null) throw new Error(`no job ${jobId} in ${directory}`);
await queues.sentinel.begin();
const orders = {
  jobId: jobId as JobId,
  generation: 1,
  tenant: 'default',
  jobKey: jobKey(jobId as JobId),
  specDigest: job.record.specDigest,
  kind: 'finish',
  workId: chunkId(jobId as JobId, 'finish', 0),
  first: 0,
  unplannable: [],
  end: null,
  previous: null,
} as const;
const metrics = hostMetrics(processMetrics(hostFolding), 'default');
const host = { queues, store, journal, times, resultVersion: hello.resultVersion, log: silentLog, clock: systemClock, metrics } as unknown as Host;
let mostRss = process.memoryUsage().rss;
const watching = setInterval(() => {
  mostRss = Math.max(mostRss, process.memoryUsage().rss);
}, 100);
const restRss = mostRss;
const cpu = process.cpuUsage();
await finishJob({ attemptId: 'a', startedAt: '', startedMs: 0, orders } as never, { showLife: () => undefined } as never, host);
clearInterval(watching);
const { user, system } = process.cpuUsage(cpu);
process.send?.({ mostRssBytes: mostRss, restRssBytes: restRss, cpuSeconds: Math.round((user + system) / 1e5) / 10 });
await store.stop();
await redis.stop();
process.exit(0);
