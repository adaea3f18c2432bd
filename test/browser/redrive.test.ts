/** What an operator does at night: from the overview to the cause of many dead chunks, the cure, a canary, and a job that heals under the eyes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { generatedSpec } from '../e2e/support/workbench.ts';
import { type BrokenJob, brokenJob, submit, untilEnded } from './support/jobs.ts';
import { BrowserBench, expectAccessible, expectNoSideways, toFirstRow } from './support/pages.ts';

let pages: BrowserBench;
let broken: BrokenJob;

before(async () => {
  pages = await BrowserBench.start('redrive');
  broken = await brokenJob(pages);
});
after(() => pages?.stop());

test('dead chunks are found by their cause, planned, redriven behind a canary, and the job completes', async () => {
  const { page, close } = await pages.open('/');
  await page.getByRole('link', { name: /dead letters, oldest/ }).click();
  await page.getByText('INPUT_NOT_FOUND').first().click();
  await page.getByText('restore it, then redrive').waitFor();
  await page.getByText('Why it is one group').waitFor();
  await expectAccessible(page, 'an error group');
  await page.getByRole('button', { name: 'Note' }).click();
  await page.getByRole('textbox', { name: 'Note' }).fill('the file went away; asked for it again');
  await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click();
  await page.getByText('the file went away; asked for it again').waitFor();

  broken.repair();
  await page.getByRole('button', { name: /^Redrive \d+ dead/ }).click();
  await page.getByText('What will happen').waitFor();
  await expectAccessible(page, 'a plan');
  const confirm = await page.getByRole('button', { name: /^Redrive \d+$/ }).textContent();
  const count = Number(/\d+/.exec(confirm ?? '')?.[0]);
  assert.ok(count > 3, String(confirm));
  await page.getByLabel('Canary first').fill('2');
  await page.getByRole('textbox', { name: /Reason/ }).fill('the file is back');
  await page.getByRole('button', { name: /^Redrive \d+$/ }).click();

  await page.getByText(`Redrive of ${count} items`).first().waitFor();
  await page.getByText('finished').first().waitFor();
  await page.getByText(`100 % of ${count} items resolved`).waitFor();
  await expectAccessible(page, 'an operation');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, 'an operation');
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole('link', { name: 'orders-import' }).click();
  await page.getByText('completed').first().waitFor();
  await page.getByText('generation 2').first().waitFor();
  await close();
});

test('dead letters are waived from the inbox by keyboard, under a reason, and the job completes with its gap named', async () => {
  const { jobId } = await brokenJob(pages, 'waived');
  const { chunks } = await pages.api.client.call('GET /jobs/{jobId}', { params: { jobId: jobId as never } });
  const { page, close } = await pages.open(`/dead?q=job:${jobId}`);
  await page.getByText(`${chunks.dead} dead letters`).first().waitFor();
  await page.keyboard.press('n');
  assert.equal(await page.getByRole('dialog').count(), 0, 'no row is meant yet');
  await toFirstRow(page);
  await page.keyboard.press('n');
  await page.getByRole('textbox', { name: 'Note' }).fill('not worth another night');
  await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('a');
  await page.getByText(`All ${chunks.dead} dead letters that match`).waitFor();
  await page.keyboard.press('v');
  await page.getByText('will be waived').waitFor();
  await expectAccessible(page, 'a plan of a waiver');
  const start = page.getByRole('button', { name: `Waive ${chunks.dead}`, exact: true });
  assert.ok(await start.isDisabled(), 'a waiver stands under a reason');
  await page.getByRole('textbox', { name: 'Reason' }).fill('the shop has closed');
  await page.keyboard.press('Control+Enter');
  await page.getByText(`Waiver of ${chunks.dead} items`).first().waitFor();
  await page.getByText('finished').first().waitFor();
  await page.getByRole('link', { name: 'orders-import' }).click();
  await page.getByRole('heading', { level: 1 }).getByText('completed').waitFor();
  await page.getByText(`waive by user:nina of ${chunks.dead} chunks`).waitFor();
  await page.getByText('the shop has closed').first().waitFor();
  await page.goto(`${pages.api.url}/jobs/${jobId}?tab=outputs`);
  await page.getByText('INPUT_NOT_FOUND').first().waitFor();
  await close();
});

test('a job that failed by its budget is redriven with a higher one, which the plan shows beside the old one and the job keeps on record', async () => {
  const { bench } = pages;
  const { directory } = bench.generate('strict', { records: 3_000, files: 1 });
  const jobId = await submit(
    pages,
    generatedSpec(directory, bench.path('out', 'strict'), '64KiB', { name: 'strict', rejects: { maxRows: 1, maxRatio: null } }),
  );
  assert.equal(await untilEnded(pages, jobId), 'failed');
  const { page, close } = await pages.open(`/jobs/${jobId}`, { expected: /status of 422/ });
  await page.getByRole('button', { name: 'Redrive with a higher budget' }).click();
  const dialog = page.getByRole('dialog', { name: 'Redrive with changes' });
  await dialog.getByLabel('Rejects, at most').fill('many');
  await dialog.getByText('expected a whole number').waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Show the plan' }).isDisabled());
  await dialog.getByLabel('Rejects, at most').fill('100000');
  await dialog.getByLabel('Attempts at a chunk').fill('99');
  await expectAccessible(page, 'a form of overrides');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, 'a form of overrides');
  await page.setViewportSize({ width: 1280, height: 900 });
  await dialog.getByRole('button', { name: 'Show the plan' }).click();
  await dialog.getByText('/execution/maxAttempts').waitFor();
  await dialog.getByLabel('Attempts at a chunk').fill('7');
  await dialog.getByRole('button', { name: 'Show the plan' }).click();
  const changes = page.getByRole('region', { name: 'What will be different' });
  await changes.waitFor();
  assert.deepEqual(
    (await changes.getByRole('row').allInnerTexts()).map((row) => row.split('\t')),
    [
      ['field', 'was', 'will be'],
      ['execution.maxAttempts', '5', '7'],
      ['rejects.maxRows', '1', '100000'],
    ],
  );
  await expectAccessible(page, 'a plan with changes');
  await page.getByRole('button', { name: 'Change more' }).waitFor();
  await page.getByRole('button', { name: /^Redrive \d+$/ }).click();
  await page.getByText('finished').first().waitFor();
  await page.goto(`${pages.api.url}/jobs/${jobId}`);
  await page.getByText('with overrides').first().waitFor();
  assert.equal(await untilEnded(pages, jobId), 'completed');
  const { spec, generation } = await pages.api.client.call('GET /jobs/{jobId}/spec', { params: { jobId: jobId as never } });
  assert.deepEqual([generation, (spec['rejects'] as { maxRows: number }).maxRows], [2, 100_000]);
  await close();
});
