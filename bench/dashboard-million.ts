/**
 * `npm run bench -- dashboard-million [--chunks N]`: what a person waits for who looks at one very large job. Its pages in a real Chromium without throttling,
 * over the real API and a job of so many chunks: opened, the strip zoomed and read as a table, the list of chunks scrolled over thousands of rows and
 * walked by keys, while attempts go on and their events arrive. Kept for each step: pauses over 50 ms (the browser's own measure), the longest task of
 * the page on the clock, and the longest by processor time, which a busy machine does not stretch.
 */
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CDPSession, chromium, type Page } from 'playwright-core';
import { ensureChromium, ensureDashboard, root } from '../scripts/setup.js';
import { startWrittenJob, writtenChunkBytes } from './control-plane/written-job.ts';
import { keep } from './keep.ts';

const { values } = parseArgs({ options: { chunks: { type: 'string', default: '1000000' } } });
const total = Number(values.chunks);
const pauseMs = 50;
const patience = { timeout: 120_000 };

ensureDashboard();
const written = await startWrittenJob('dashboard', total, join(root, 'packages/dashboard/dist'));
const { api, jobId } = written;

const browser = await chromium.launch({ executablePath: ensureChromium(), args: ['--no-sandbox', '--disable-gpu'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
await context.addInitScript(
  "globalThis.pauses = []; new PerformanceObserver((list) => { for (const entry of list.getEntries()) globalThis.pauses.push(entry.duration); }).observe({ type: 'longtask', buffered: true });" +
    "globalThis.chunkEvents = 0; new BroadcastChannel('millrace-live').onmessage = ({ data }) => { if (data.kind === 'event' && data.type === 'chunk') globalThis.chunkEvents += 1; };",
);
const page = await context.newPage();
const devtools = await context.newCDPSession(page);

async function signIn(): Promise<void> {
  const link = await api.firstSignIn();
  if (link === null) throw new Error('the installation has an account already');
  await page.goto(link);
  await page.getByLabel('User').fill('bench');
  await page.getByLabel('Password').fill('a password of a bench');
  await page.getByRole('button', { name: 'Make the account and sign in' }).click();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
}

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ph: string;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** Tasks of the main thread of the page, as the browser traced them. */
function tasksOf(events: readonly TraceEvent[]): { readonly wallMs: number; readonly cpuMs: number } {
  const mains = new Set(events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map(({ pid, tid }) => `${pid}.${tid}`));
  const tasks = events.filter(({ name, ph, pid, tid }) => name === 'RunTask' && ph === 'X' && mains.has(`${pid}.${tid}`));
  const longest = (of: (task: TraceEvent) => number | undefined): number => Math.max(0, ...tasks.map((task) => (of(task) ?? 0) / 1_000));
  return { wallMs: longest(({ dur }) => dur), cpuMs: longest(({ tdur }) => tdur) };
}

const round = (ms: number): number => Math.round(ms * 10) / 10;

async function step(name: string, act: (page: Page) => Promise<void>) {
  await page.evaluate('globalThis.pauses = []; globalThis.chunkEvents = 0');
  const tracePath = join(root, '.cache', `dashboard-million-${name.replaceAll(' ', '-')}.json`);
  await browser.startTracing(page, { path: tracePath, categories: ['toplevel', 'disabled-by-default-devtools.timeline', 'devtools.timeline', 'v8.execute'] });
  await act(page);
  const pauses = ((await page.evaluate('globalThis.pauses')) as number[]).filter((ms) => ms > pauseMs);
  const events = (await page.evaluate('globalThis.chunkEvents')) as number;
  await browser.stopTracing();
  const { wallMs, cpuMs } = tasksOf((JSON.parse(readFileSync(tracePath, 'utf8')) as { traceEvents: TraceEvent[] }).traceEvents);
  const figures = { pausesOver50Ms: pauses.length, longestTaskMs: round(wallMs), longestTaskCpuMs: round(cpuMs), chunkEvents: events };
  console.log(name, figures);
  return [name, figures] as const;
}

/** Chunks commit and begin while a page is looked at, until it has heard of so many changes. */
async function workUntilHeard(events: number): Promise<void> {
  while (((await page.evaluate('globalThis.chunkEvents')) as number) < events) {
    await written.advance(20);
    await page.waitForTimeout(400);
  }
}

const strip = () => page.locator('canvas').first();

async function zoomStrip(): Promise<void> {
  await strip().focus();
  for (const key of ['+', '+', '+', '+', 'ArrowRight', 'ArrowRight', 'ArrowLeft', '-', '-', '0']) await page.keyboard.press(key);
  const box = await strip().boundingBox();
  if (box === null) throw new Error('the strip has no place');
  for (let x = 0; x < box.width; x += 8) await page.mouse.move(box.x + x, box.y + box.height / 2);
}

async function scrollList(rows: number): Promise<void> {
  const known = async (): Promise<number> =>
    Number(((await page.evaluate("[...document.querySelectorAll('[role=row][data-row]')].at(-1)?.getAttribute('aria-rowindex') ?? '0'")) as string) ?? 0);
  while ((await known()) < rows) {
    await page.mouse.wheel(0, 1_500);
    await page.waitForTimeout(30);
  }
}

async function heapBytes(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  return ((await session.send('Runtime.getHeapUsage')) as { usedSize: number }).usedSize;
}

const at = `${api.url}/jobs/${jobId}`;
await signIn();
const measured = Object.fromEntries([
  // What the overview has loaded already is not loaded again: this is a person who follows a link.
  await step('open the job', async () => {
    await page.goto(at);
    await strip().waitFor(patience);
  }),
  await step('strip', zoomStrip),
  await step('strip as a table', async () => {
    await page.getByRole('button', { name: 'Table' }).first().click();
    await page.getByRole('table').first().waitFor();
    await page.getByRole('button', { name: 'Table' }).first().click();
  }),
  await step('job while events come', () => workUntilHeard(8)),
  await step('open the chunks', async () => {
    await page.goto(`${at}/stages/read`);
    await page.locator('[role=row][data-row]').first().waitFor(patience);
  }),
  await step('3,000 rows of chunks', () => scrollList(3_000)),
  await step('chunks while events come', () => workUntilHeard(8)),
  await step('200 rows by key', async () => {
    await page
      .locator('[role=row][data-row]')
      .nth(5)
      .click({ position: { x: 300, y: 5 }, trial: true });
    await page.evaluate("document.querySelector('[role=row][data-row]').focus()");
    for (let press = 0; press < 200; press += 1) await page.keyboard.press('j');
  }),
  await step('select all and clear', async () => {
    await page.keyboard.press('*');
    await page.getByRole('region', { name: 'selected' }).waitFor();
    await page.keyboard.press('Escape');
  }),
  await step('dead chunks', async () => {
    await page.goto(`${at}/stages/read?q=state:dead`);
    await page.getByText('2,000 chunks').first().waitFor(patience);
  }),
  await step('a range of the strip', async () => {
    await page.goto(`${at}/stages/read?q=${encodeURIComponent(`offset:${Math.floor(total * writtenChunkBytes * 0.95)}`)}`);
    await page.locator('[role=row][data-row]').first().waitFor(patience);
  }),
]);
const heap = await heapBytes(devtools);
await browser.close();
keep(`dashboard-million-${total}`, { chunks: total, loadAverage: loadavg()[0], heapBytes: heap, measured });
await written.stop();
process.exit(0);
