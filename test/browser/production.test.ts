/** An installation that is marked production: its colour, the reason that every act needs, and what pages say while Redis is away. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { steerChunks } from '../e2e/support/steer-chunks.ts';
import { dirtyJob, untilEnded } from './support/jobs.ts';
import { BrowserBench, expectAccessible } from './support/pages.ts';

let pages: BrowserBench;

before(async () => {
  pages = await BrowserBench.start('production', { environment: 'production' });
});
after(() => pages?.stop());

const colourOf = (selector: string): string => `getComputedStyle(document.querySelector(${JSON.stringify(selector)})).backgroundColor`;

test('a production installation is told by its colour, and no act goes without a reason', async () => {
  await steerChunks(pages, true);
  const jobId = await dirtyJob(pages, 'held');
  const { page, close } = await pages.open(`/jobs/${jobId}`);
  await page.locator('[data-production]').getByText('production').waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  const confirm = page.getByRole('dialog').getByRole('button', { name: 'Pause the job' });
  await confirm.waitFor();
  assert.ok(await confirm.isDisabled(), 'a reason is needed');
  await page.keyboard.press('Control+Enter');
  await page.getByText('This is a production installation').waitFor();
  await page.getByRole('textbox', { name: 'Reason', exact: true }).fill('a look first');
  assert.equal(
    await page.evaluate(colourOf('[role=dialog] button[type=submit]')),
    await page.evaluate(colourOf('[data-production]')),
    'it is as red as the badge',
  );
  await expectAccessible(page, 'a confirmation in production');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await page.getByText('a look first').waitFor();
  await close();
  await pages.api.client.call('POST /jobs/{jobId}/resume', { params: { jobId: jobId as never }, body: { reason: 'looked' } });
  await steerChunks(pages, false);
  assert.equal(await untilEnded(pages, jobId), 'completed');
});

/** The Redis of this test alone: what it was started with carries the path of the test. */
function redisPid(): number {
  const found = pages.bench.processes().find(({ command }) => command.includes('redis-server') && !command.includes('sh -c'));
  return found?.pid ?? assert.fail('no Redis of this test runs');
}

test('while Redis is away a banner says so, also to who comes later; pages show what the journal has, and it heals by itself', async () => {
  const { data } = await pages.api.client.call('GET /jobs', { query: { q: 'state:completed' } });
  const jobId = data[0]?.jobId ?? assert.fail('no job is there');
  const expected = /status of 503|^503 /;
  const { page, close } = await pages.open(`/jobs/${jobId}`, { expected });
  await page.getByText('adds up').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  const redis = redisPid();
  process.kill(redis, 'SIGSTOP');
  try {
    await page.getByText('Redis is away').first().waitFor({ timeout: 120_000 });
    const later = await pages.open(`/jobs/${jobId}`, { expected });
    await later.page.getByText('Redis is away').first().waitFor({ timeout: 120_000 });
    await later.page.getByText('adds up').waitFor({ timeout: 120_000 });
    await later.close();
  } finally {
    process.kill(redis, 'SIGCONT');
  }
  await page.getByText('Redis is away').waitFor({ state: 'detached', timeout: 120_000 });
  await close();
});
