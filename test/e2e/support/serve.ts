/**
 * A real server with data to look at: `node test/e2e/support/serve.ts [port]`. Redis, scheduler, a worker host with two slots and the API on this computer,
 * jobs of several fates, and an admin's token. Everything is gone when it ends (Ctrl-C).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Client, createClient } from '../../../packages/api-contract/src/client.ts';
import { startLocalStack } from '../../../packages/cli/src/local-stack.ts';
import { newToken } from './api-stack.ts';
import { until } from './until.ts';
import { generatedSpec, Workbench, type WrittenSpec } from './workbench.ts';

const port = Number(process.argv[2] ?? 8080);
const bench = new Workbench('serve');
const out = bench.path('out');
const token = newToken();
mkdirSync(out, { recursive: true });
const stack = await startLocalStack({
  directory: out,
  readRoots: [bench.home],
  writeRoots: [out],
  hostSlots: [2],
  logFile: `${out}.log`,
  api: { port, token },
});
const url = `http://127.0.0.1:${port}`;
const client = createClient({ baseUrl: url, token });

process.once('SIGINT', () => void stop());
process.once('SIGTERM', () => void stop());

const isUp = (): Promise<boolean> =>
  client.call('GET /me', {}).then(
    () => true,
    () => false,
  );
await until('the API to answer', isUp, { describe: () => stack.stack.roles.flatMap(({ tail }) => tail.slice(-3)).join('\n') });
console.log(`${url}\ntoken: ${token}\nlogs: ${out}.log\n`);
await submitJobs(client);
console.log('\nCtrl-C ends it.');

/** Completed with rejects, failed for its budget, failed for a dead letter, cancelled, paused. */
async function submitJobs(api: Client): Promise<void> {
  const orders = bench.generate('orders', { records: 60_000, files: 3 });
  const events = bench.generate('events', { kind: 'events', records: 20_000 });
  const submit = async (name: string, spec: WrittenSpec): Promise<string> => {
    const { jobId } = await api.call('POST /jobs', { body: { spec: { ...spec, name } } });
    console.log(`${name}: ${jobId}`);
    return jobId;
  };
  const job = (data: string, place: string, changes: WrittenSpec = {}): WrittenSpec => generatedSpec(data, bench.path('out', place), '64KiB', changes);
  await submit('orders-import', job(orders.directory, 'a', { labels: { team: 'sales' } }));
  await submit('events-import', job(events.directory, 'b'));
  await submit('orders-strict', job(orders.directory, 'c', { rejects: { maxRows: 1, maxRatio: null } }));
  writeFileSync(bench.path('cut.csv.gz'), gzipSync(Buffer.from('id,name\n1,a\n'.repeat(2_000))).subarray(0, 60));
  writeFileSync(bench.path('whole.csv'), 'id,name\n1,a\n2,b\n');
  const uri = ['cut.csv.gz', 'whole.csv'].map((name) => pathToFileURL(bench.path(name)).href);
  await submit('partner-feed', { inputs: { uri, format: 'csv' }, schema: 'text', output: { uri: `${pathToFileURL(bench.path('out', 'd')).href}/` } });
  const cancelled = await submit('orders-cancelled', job(orders.directory, 'e'));
  await api.call('POST /jobs/{jobId}/cancel', { params: { jobId: cancelled }, body: { reason: 'to have one' } }).catch(() => undefined);
  const paused = await submit('orders-paused', job(orders.directory, 'f'));
  await api.call('POST /jobs/{jobId}/pause', { params: { jobId: paused }, body: { reason: 'to have one' } }).catch(() => undefined);
}

async function stop(): Promise<void> {
  await stack.stop();
  await bench.close();
  process.exit(0);
}
