/**
 * A night of an operator, in one go: 2,000 dead chunks and the cause of them, the cure, a canary, a job that heals while it is looked at; then the 37 records
 * that were rejected, corrected in an export, brought back and replayed, until the sums say that every record came through.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type NightJob, nightJob } from './support/jobs.ts';
import { BrowserBench } from './support/pages.ts';

let pages: BrowserBench;
let night: NightJob;

before(async () => {
  pages = await BrowserBench.start('operator', { hostSlots: [2] });
  night = await nightJob(pages);
  assert.deepEqual([night.dead, night.rejects], [2_000, 37]);
});
after(() => pages?.stop());

const patience = { timeout: 300_000 };

async function redriveAll(page: Page): Promise<void> {
  await page.getByRole('link', { name: /2,000 dead letters, oldest/ }).click();
  await page.getByText('2,000 dead letters').first().waitFor();
  await page.getByText('INPUT_NOT_FOUND').first().click();
  await page.getByText('restore it, then redrive').waitFor();
  night.repair();
  await page.getByRole('button', { name: 'Redrive 2,000 dead' }).click();
  await page.getByText('will be redriven').waitFor(patience);
  assert.equal(await page.getByLabel('Canary first').inputValue(), '20', 'a canary is the default of so many');
  await page.getByLabel('Canary first').fill('25');
  // As fast as it goes: the pace that is offered leaves room for other work.
  await page.getByLabel('Items a second').fill('');
  await page.getByRole('textbox', { name: 'Reason' }).fill('the file is back');
  const start = page.getByRole('button', { name: 'Redrive 2,000', exact: true });
  assert.ok(await start.isDisabled(), 'so many are typed before they are started');
  await page.getByLabel('Type 2000 to confirm').fill('2000');
  await page.keyboard.press('Control+Enter');
  await page.getByText('canary of 25').waitFor(patience);
}

async function correctAll(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Export' }).click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: /^NDJSON/ }).click()]);
  const lines = readFileSync(await download.path(), 'utf8')
    .trimEnd()
    .split('\n');
  const edited = lines.map((line) => JSON.parse(line) as Record<string, unknown>).map((row) => ({ ...row, amount: '12.50' }));
  assert.equal(edited.length, night.rejects);
  const path = pages.bench.path('edited.ndjson');
  writeFileSync(path, `${edited.map((row) => JSON.stringify(row)).join('\n')}\n`);
  await page.getByRole('link', { name: 'Upload an edited export' }).click();
  await page.getByLabel('Edited export').setInputFiles(path);
  await page.getByRole('region', { name: 'Changed cells by column' }).getByText('amount').waitFor(patience);
  await page.getByRole('button', { name: `Replay ${night.rejects} rejects` }).click();
  await page.getByText('will be replayed').waitFor(patience);
  await page.getByRole('button', { name: `Replay ${night.rejects}`, exact: true }).click();
}

test('from 2,000 dead chunks and 37 rejects to a job in which every record came through', async () => {
  const { page, close } = await pages.open('/');
  await redriveAll(page);
  await page.getByRole('link', { name: 'orders-import' }).click();
  // Nothing is loaded anew: the page follows the events of the job to its end.
  await page.getByText('generation 2', { exact: true }).first().waitFor(patience);
  await page.getByRole('heading', { level: 1 }).getByText('completed').waitFor(patience);
  await page.getByText('37', { exact: true }).first().waitFor();

  await page.getByRole('link', { name: 'rejected', exact: true }).click();
  await page.getByText('37 rejects').first().waitFor();
  await correctAll(page);
  await page.getByText('100 % of 37 items resolved').waitFor(patience);
  await page.getByText('finished').first().waitFor(patience);
  await page.getByRole('link', { name: 'orders-import' }).click();
  await page.getByText('generation 3', { exact: true }).first().waitFor(patience);
  await page.getByRole('heading', { level: 1 }).getByText('completed').waitFor(patience);
  const sum = page.getByRole('region', { name: 'Balance' });
  await sum.getByRole('row', { name: `${night.records.toLocaleString('en')} emitted` }).waitFor();
  await sum.getByRole('row', { name: '+ 0 rejected' }).waitFor();
  await sum.getByText('adds up').waitFor();
  await close();
});
