/** What an operator does at night: from the overview to the cause of many dead chunks, the cure, a canary, and a job that heals under the eyes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type BrokenJob, brokenJob } from './support/jobs.ts';
import { BrowserBench, expectAccessible, expectNoSideways } from './support/pages.ts';

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
