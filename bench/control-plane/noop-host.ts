/** A worker host whose cores answer at once: `node noop-host.ts <redis> <journal directory> <slots> <result version>`. */
import { startCore } from '../../packages/core-client/src/core-process.ts';
import { corePath, SteadyCore } from '../../packages/core-client/src/index.ts';
import { journalConnection, openJournal } from '../../packages/journal/src/index.ts';
import { leaseTimes, parseTaskKeys, workQueueName } from '../../packages/protocol/src/index.ts';
import { openQueues } from '../../packages/queues/src/index.ts';
import { idSource, processMetrics, silentLog, systemClock, systemRandom } from '../../packages/service-kit/src/index.ts';
import { CrashStreak } from '../../packages/worker-host/src/crash-streak.ts';
import { executeTask } from '../../packages/worker-host/src/execute-task.ts';
import type { Host } from '../../packages/worker-host/src/host.ts';
import { KeptRecords } from '../../packages/worker-host/src/kept-records.ts';
import { hostFolding, hostMetrics } from '../../packages/worker-host/src/metrics.ts';
import { noopCores } from './noop-core.ts';
import { taskKey } from './task-key.ts';

const [redis = '', journalUri = '', slotsText = '1', pool = 'default'] = process.argv.slice(2);
const slots = Number(slotsText);
const times = leaseTimes(1);
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
      writeRoots: [new URL(journalUri).pathname],
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
const queues = await openQueues({ redis, times, log: silentLog });
const journal = openJournal(store);
const worker = `w-${process.pid}`;
const host = {
  queues,
  cores: noopCores,
  store,
  journal,
  records: new KeptRecords(journal),
  times,
  taskKeys: parseTaskKeys(taskKey),
  identity: { worker, pod: null, node: 'bench' },
  pool,
  secrets: null,
  coreVersion: hello.coreVersion,
  resultVersion: hello.resultVersion,
  ids: idSource(systemClock, systemRandom),
  crashes: new CrashStreak(async () => undefined),
  log: silentLog,
  drain: new AbortController().signal,
  clock: systemClock,
  metrics: hostMetrics(processMetrics(hostFolding), pool),
} as unknown as Host;
const view = {
  worker,
  pool,
  resultVersion: hello.resultVersion,
  coreVersion: hello.coreVersion,
  slots,
  busy: 0,
  draining: false,
  pod: null,
  node: 'bench',
  pid: process.pid,
};
await queues.workers.beat(view);
setInterval(() => void queues.workers.beat(view), times.workerBeatMs);
queues.tasks.consume(workQueueName('chunk', pool, hello.resultVersion), { concurrency: slots }, (task) => executeTask(task, host)).start();
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
