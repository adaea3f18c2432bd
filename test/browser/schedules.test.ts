/** Schedules and the audit in the pages: one is fired and paused with a reason, and the audit says who did it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { generatedSpec } from '../e2e/support/workbench.ts';
import { BrowserBench, expectAccessible, expectNoSideways, toFirstRow } from './support/pages.ts';

let pages: BrowserBench;

before(async () => {
  pages = await BrowserBench.start('schedules');
});
after(() => pages?.stop());

test('a schedule shows its next fires, is fired and paused with a reason, and the audit keeps who did so', async () => {
  const { page, close } = await pages.open('/schedules');
  await page.getByText('No schedule.').waitFor();
  await expectAccessible(page, 'no schedule');
  const { bench, api } = pages;
  const { directory } = bench.generate('nightly', { records: 300 });
  const spec = generatedSpec(directory, bench.path('out', 'nightly'), '64KiB', {
    name: 'nightly',
    schedule: { cron: '15 2 * * *', timezone: 'Europe/Berlin' },
  });
  await api.client.call('PUT /schedules/{name}', { params: { name: 'nightly' as never }, body: { spec, reason: 'every night' } });
  await page.reload();
  await page.getByText('Europe/Berlin)').first().waitFor();
  await page.getByRole('button', { name: 'Fire now nightly' }).click();
  await page.getByLabel('Reason (optional)').fill('not waiting for the night');
  await page.getByRole('dialog').getByRole('button', { name: 'Fire now' }).click();
  await page.getByText('Last runs').waitFor();
  await page.getByRole('button', { name: 'Pause nightly' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
  await page.getByText('not while it is paused').waitFor();
  await page.getByRole('button', { name: 'Resume nightly' }).waitFor();
  await expectAccessible(page, '/schedules');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, '/schedules');
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.goto(`${api.url}/audit?q=act:schedule.fire`);
  await page.getByText('user:nina').first().waitFor();
  await page.getByText('not waiting for the night').first().waitFor();
  await toFirstRow(page);
  await page.keyboard.press('Enter');
  await page.getByRole('complementary', { name: 'this record' }).getByText('Request').waitFor();
  await expectAccessible(page, '/audit');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, '/audit');
  await close();
});

test('the audit of a day without any says so and leads to all days', async () => {
  const { page, close } = await pages.open('/audit?from=2001-01-01&to=2001-01-02');
  await page.getByRole('button', { name: 'Look at all days' }).click();
  await page.locator('[data-row]').first().waitFor();
  assert.equal(new URL(page.url()).search, '');
  await close();
});
