/**
 * `npm run bench -- api-reads [--chunks N]`: what the pages of one very large job cost the API. A job of one file with so many chunks is written into a journal
 * and told to a ledger as a run would have left it: nine tenths committed, 2,000 dead, 50 running. Kept for each request: the first answer, the median of
 * twenty later ones, and the processor time of this process a request (client and server together); and the longest pause of the event loop meanwhile.
 */
import { loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { createClient } from '../packages/api-contract/src/client.ts';
import { startWrittenJob, writtenChunkBytes } from './control-plane/written-job.ts';
import { keep, median } from './keep.ts';

const { values } = parseArgs({ options: { chunks: { type: 'string', default: '1000000' } } });
const total = Number(values.chunks);
const later = 20;
const written = await startWrittenJob('api-reads', total);
const { api, token, jobId } = written;
const client = createClient({ baseUrl: api.url, token });
const delays = monitorEventLoopDelay({ resolution: 5 });

async function measure(name: string, ask: () => Promise<unknown>) {
  delays.enable();
  const timed = async (): Promise<number> => {
    const startMs = performance.now();
    await ask();
    return performance.now() - startMs;
  };
  const asked = process.cpuUsage();
  const firstMs = await timed();
  const first = process.cpuUsage(asked);
  const firstCpuMs = (first.user + first.system) / 1_000;
  const longestFirstMs = delays.max / 1e6;
  delays.reset();
  const before = process.cpuUsage();
  const times: number[] = [];
  for (let round = 0; round < later; round += 1) times.push(await timed());
  const { user, system } = process.cpuUsage(before);
  delays.disable();
  const figures = { firstMs, firstCpuMs, longestFirstMs, medianMs: median(times), cpuMs: (user + system) / 1_000 / later, longestMs: delays.max / 1e6 };
  const rounded = Object.fromEntries(Object.entries(figures).map(([what, ms]) => [what, Math.round(ms * 10) / 10]));
  console.log(name, rounded);
  delays.reset();
  return [name, rounded] as const;
}

const params = { jobId };
const chunks = (q: string) => () => client.call('GET /jobs/{jobId}/chunks', { params, query: { q } });
const before = process.memoryUsage();
const measured = Object.fromEntries([
  await measure('strip of 2,000 cells', () => client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0, cells: 2_000 } })),
  await measure('strip of 600 cells', () => client.call('GET /jobs/{jobId}/strip', { params, query: { file: 0 } })),
  await measure('chunks', chunks('')),
  await measure('chunks state:dead', chunks('state:dead')),
  await measure('chunks state:dead code:CORE_*', chunks('state:dead code:CORE_*')),
  await measure('chunks offset', chunks(`offset:${total * writtenChunkBytes * 0.95}`)),
  await measure('one chunk', () => client.call('GET /jobs/{jobId}/chunks/{stage}/{index}', { params: { jobId, stage: 'read', index: 7 } })),
  await measure('files', () => client.call('GET /jobs/{jobId}/files', { params })),
  await measure('stages', () => client.call('GET /jobs/{jobId}/stages', { params })),
]);
const memory = process.memoryUsage();
const held = { arrayBuffersBytes: memory.arrayBuffers - before.arrayBuffers, rssBytes: memory.rss };
console.log(held);
keep(`api-reads-${total}`, { chunks: total, loadAverage: loadavg()[0], ...held, measured });
await written.stop();
process.exit(0);
