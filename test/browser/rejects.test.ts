/**
 * Rejects in a real browser, on real ones: sums that lead to rows, a reject by keyboard, its bytes once they are asked for, the export and its way back
 * as corrections. What is shown by a reveal stands in the audit afterwards.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { dirtyJob, untilEnded } from './support/jobs.ts';
import { BrowserBench, expectAccessible, expectNoSideways, toFirstRow } from './support/pages.ts';

let pages: BrowserBench;
let jobId: string;
let rejectId: string;
let rejects: number;

before(async () => {
  pages = await BrowserBench.start('rejects');
  jobId = await dirtyJob(pages);
  assert.equal(await untilEnded(pages, jobId), 'completed');
  const page = await pages.api.client.call('GET /jobs/{jobId}/rejects', { params: { jobId: jobId as never }, query: { limit: 2 } });
  rejectId = page.data[0]?.rejectId ?? '';
  rejects = page.total ?? 0;
  assert.ok(rejects > 3, `${rejects} rejects`);
});
after(() => pages?.stop());

const screens = (): readonly (readonly [string, string])[] => [
  ['/rejects', 'By job'],
  ['/rejects?q=code:NO_SUCH_CODE', 'No reject matches'],
  [`/jobs/${jobId}/rejects`, 'By column'],
  [`/jobs/${jobId}/rejects?row=${encodeURIComponent(rejectId)}`, 'Reject after'],
  [`/rejects/${encodeURIComponent(rejectId)}`, 'Reject after'],
  [`/jobs/${jobId}/corrections`, 'or drop it here'],
  [`/jobs/${jobId}/peek`, 'Say which record'],
  [`/jobs/${jobId}/peek?record=2`, 'Reveal'],
  [`/jobs/${jobId}/peek?reject=${encodeURIComponent(rejectId)}`, 'Reject after'],
];

test('the pages of rejects are accessible in light and in dark, and fit a phone', async () => {
  const { page, close } = await pages.open('/rejects');
  for (const [path, text] of screens()) {
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.goto(`${pages.api.url}${path}`);
    await page.getByText(text).first().waitFor();
    await expectAccessible(page, path);
    await page.setViewportSize({ width: 360, height: 780 });
    await expectNoSideways(page, path);
  }
  await close();
});

test('a sum leads to its rows, and the rows are walked and opened by keyboard', async () => {
  const { page, close } = await pages.open('/');
  await page.getByRole('navigation').first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.getByRole('region', { name: 'By job' }).getByRole('link').first().click();
  await page.getByText(`${rejects} rejects`).first().waitFor();
  await toFirstRow(page);
  await page.keyboard.press('Enter');
  await page.getByRole('complementary', { name: 'this reject' }).getByText('Reject after').waitFor();
  const before = new URL(page.url()).searchParams.get('row');
  assert.equal(before, rejectId);
  await page.getByRole('button', { name: 'Reject after' }).and(page.locator(':enabled')).waitFor();
  await page.keyboard.press(']');
  await page.waitForURL((url) => url.searchParams.get('row') !== before);
  await page.keyboard.press('Escape');
  await page.getByRole('complementary', { name: 'this reject' }).waitFor({ state: 'detached' });
  await close();
});

test('bytes and values are hidden until they are asked for, and the view stands in the audit', async () => {
  const detail = await pages.api.client.call('GET /rejects/{rejectId}', { params: { rejectId: rejectId as never }, query: { content: 'true' } });
  const { page, close } = await pages.open(`/rejects/${encodeURIComponent(rejectId)}`);
  const text = new TextDecoder().decode(Buffer.from(detail.raw ?? '', 'base64')).slice(0, 8);
  await page.getByRole('button', { name: 'Reveal' }).waitFor();
  assert.equal(await page.getByText(text).count(), 0, 'nothing of the record stands on the page');
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.getByRole('group', { name: 'the record as text' }).getByText(text).waitFor();
  await page.getByRole('group', { name: 'the record as hex' }).waitFor();
  await page.getByRole('button', { name: 'Bytes around it in the file' }).click();
  await page.getByRole('group', { name: 'the file as text' }).getByText(text).first().waitFor();
  await expectAccessible(page, 'a revealed reject');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, 'a revealed reject');
  const { data } = await pages.api.client.call('GET /audit', { query: { limit: 100 } });
  const acts = data.filter(({ by }) => by === 'user:nina').map(({ act, object }) => `${act} ${object}`);
  assert.ok(acts.includes(`reject.show reject:${rejectId}`), acts.join('\n'));
  assert.ok(acts.includes(`bytes.show bytes:${jobId}`), acts.join('\n'));
  await close();
});

test('any place of an input is peeked at by a link, shown when asked for, and stepped from, each look in the audit', async () => {
  const reject = await pages.api.client.call('GET /rejects/{rejectId}', { params: { rejectId: rejectId as never } });
  const { page, close } = await pages.open(`/jobs/${jobId}/peek?file=0&at=${reject.errorByte ?? reject.byte}`);
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.getByRole('heading', { name: `Record ${reject.record}`, exact: true }).waitFor();
  await page.getByRole('list', { name: 'what is wrong with it' }).getByText(reject.code).first().waitFor();
  await page.getByRole('group', { name: 'the record as hex' }).waitFor();
  await expectAccessible(page, 'a place that was shown');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, 'a place that was shown');
  await page.keyboard.press(']');
  await page.getByRole('heading', { name: `Record ${(reject.record ?? 0) + 1}`, exact: true }).waitFor();
  assert.equal(new URL(page.url()).searchParams.get('record'), String((reject.record ?? 0) + 1));
  await page.getByRole('group', { name: 'the record as text' }).waitFor();
  assert.equal(await page.getByRole('group', { name: 'the record as text' }).count(), 1, 'the record before is gone');
  await page.getByLabel('Record, from 1').fill('0');
  await page.getByText('expected a whole number from 1').waitFor();
  await page.getByLabel('Record, from 1').fill('1');
  await page.getByRole('button', { name: 'Show' }).click();
  await page.getByRole('heading', { name: 'Record 1', exact: true }).waitFor();
  const { data } = await pages.api.client.call('GET /audit', { query: { q: 'act:record.show', limit: 100 } });
  assert.ok(data.some(({ by, object }) => by === 'user:nina' && object === `record:${jobId}`));
  await close();
});

test('an export is edited, comes back, says what it changes, and leads to the plan of a replay', async () => {
  const { page, close } = await pages.open(`/jobs/${jobId}/rejects`);
  await page.getByRole('button', { name: 'Export' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /^NDJSON/ }).click()]);
  const lines = readFileSync(await download.path(), 'utf8')
    .trimEnd()
    .split('\n');
  assert.equal(lines.length, rejects);
  const edited = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  const changed = edited.find((row) => typeof row['order_id'] === 'string');
  assert.ok(changed !== undefined, 'a reject whose fields could be told apart');
  changed['order_id'] = 'O-999999';
  const path = pages.bench.path('edited.ndjson');
  writeFileSync(path, `${edited.map((row) => JSON.stringify(row)).join('\n')}\n`);
  await page.getByRole('link', { name: 'Upload an edited export' }).click();
  await page.getByLabel('Edited export').setInputFiles(path);
  await page.getByRole('region', { name: 'Changed cells by column' }).getByText('order_id').waitFor();
  await page.getByText('Changed', { exact: true }).waitFor();
  await expectAccessible(page, 'corrections');
  await page.getByRole('button', { name: /^Replay/ }).click();
  await page.waitForURL(/\/redrives\/new\?plan=p/);
  const planId = new URL(page.url()).searchParams.get('plan') ?? '';
  const plan = await pages.api.client.call('GET /redrives/plans/{planId}', { params: { planId: planId as never } });
  assert.equal(plan.target, 'rejects');
  assert.ok(plan.counts.willRedrive > 0);
  await close();
});

test('rejects of a job are replayed by a plan that counts them, to the end of the operation', async () => {
  const { page, close } = await pages.open(`/jobs/${jobId}/rejects`);
  await page.getByRole('button', { name: /^Replay all/ }).click();
  await page.getByText('will be replayed').waitFor();
  await page.getByRole('button', { name: /^Replay \d+$/ }).click();
  await page
    .getByText(/^Replay of \d+ items/)
    .first()
    .waitFor();
  await page.getByText('finished').first().waitFor();
  await close();
});
