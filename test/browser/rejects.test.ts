/** Rejects in the pages: found by their code, looked at byte by byte, and replayed into the same output. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { dirtyJob, untilEnded } from './support/jobs.ts';
import { BrowserBench, expectAccessible, expectNoSideways } from './support/pages.ts';

let pages: BrowserBench;
let dirty: string;

before(async () => {
  pages = await BrowserBench.start('rejects');
  dirty = await dirtyJob(pages);
  assert.equal(await untilEnded(pages, dirty), 'completed');
});
after(() => pages?.stop());

test('a reject is found by its code and shown byte by byte once a steward asks, which the audit keeps', async () => {
  const { page, close } = await pages.open('/rejects');
  await page.getByText('By code').waitFor();
  await expectAccessible(page, '/rejects');
  await page.getByRole('link', { name: 'orders-import' }).first().click();
  await page.getByText('CSV_LONG_ROW').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.getByRole('button', { name: 'reveal' }).waitFor();
  assert.equal(await page.getByRole('group', { name: 'bytes of the record' }).count(), 0, 'masked until it is asked for');
  await page.getByRole('button', { name: 'reveal' }).click();
  await page.getByRole('group', { name: 'bytes of the record' }).waitFor();
  await expectAccessible(page, 'a reject with its bytes');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, 'a reject');
  const { data } = await pages.api.client.call('GET /audit', { query: { q: 'act:reject.show' } });
  assert.ok(
    data.some(({ by }) => by === 'user:nina'),
    JSON.stringify(data),
  );
  await close();
});

test('rejects of a job are replayed by a plan that counts them', async () => {
  const { page, close } = await pages.open(`/jobs/${dirty}/rejects`);
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
