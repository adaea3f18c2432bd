/**
 * Text that would be code if a page were careless, in every field that people or data can fill: name of a file, header, cell, message of an error, name, label,
 * description, reason, note. Pages must show it as the text that it is; a breach of the content security policy fails the test by itself.
 */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { isSealed } from '../e2e/support/journal-files.ts';
import { steerChunks } from '../e2e/support/steer-chunks.ts';
import { until } from '../e2e/support/until.ts';
import { hostile, submit, untilEnded } from './support/jobs.ts';
import { BrowserBench } from './support/pages.ts';

/** What a file name can hold. */
const hostileFile = `<img src=x onerror=alert(1)>'";.csv`;
const hostileHeader = '<b onmouseover=alert(2)>amount</b>';
const hostileCell = '<svg onload=alert(3)>{{7*7}}';

let pages: BrowserBench;
let dirty: string;
let dead: string;

const specOf = (file: string, name: string) => ({
  name,
  description: hostile,
  inputs: { uri: [pathToFileURL(file).href], format: 'csv' },
  schema: { fields: [{ name: 'id' }, { name: hostileHeader, type: 'number' }] },
  output: { uri: `${pathToFileURL(pages.bench.path('out', name)).href}/` },
  labels: { team: hostile },
});

before(async () => {
  pages = await BrowserBench.start('hostile');
  const directory = pages.bench.path('hostile');
  mkdirSync(directory);
  const file = join(directory, hostileFile);
  writeFileSync(file, `id,${hostileHeader}\n1,2\n2,${hostileCell}\n3,4\n`);
  dirty = await submit(pages, specOf(file, 'dirty'));
  assert.equal(await untilEnded(pages, dirty), 'completed');
  await steerChunks(pages, true);
  dead = await submit(pages, specOf(file, 'dead'));
  await until('the plan', () => isSealed(pages.bench.path('out'), dead), { every: 20 });
  renameSync(file, `${file}.away`);
  await steerChunks(pages, false);
  assert.equal(await untilEnded(pages, dead), 'failed');
});
after(() => pages?.stop());

/** Elements and attributes that only the hostile texts could have made. */
const made = `[...document.querySelectorAll('*')].filter((element) => [...element.attributes].some(({ name }) => name.startsWith('on')) || ['IMG', 'B'].includes(element.tagName) && /alert/.test(element.outerHTML)).map((element) => element.outerHTML.slice(0, 200))`;

async function expectText(page: Page, path: string, text: string): Promise<void> {
  await page.goto(`${pages.api.url}${path}`);
  await page.getByText(text).first().waitFor({ state: 'attached' });
  assert.deepEqual(await page.evaluate(made), [], path);
}

test('what is hostile is shown as text on every page that has it', async () => {
  const { client } = pages.api;
  const rejects = await client.call('GET /jobs/{jobId}/rejects', { params: { jobId: dirty as never } });
  const rejectId = rejects.data[0]?.rejectId ?? assert.fail('no reject is there');
  const letters = await client.call('GET /dead-letters', { query: { q: `job:${dead}` } });
  const letter = letters.data[0] ?? assert.fail('no dead letter is there');
  const fingerprint = letter.fingerprint ?? assert.fail('the letter has no group');
  // An upload that is no export is refused on purpose.
  const { page, close } = await pages.open('/', { expected: /status of 4\d\d .*\/corrections/ });
  const dialogs: string[] = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await expectText(page, `/jobs/${dirty}`, hostile);
  await expectText(page, `/jobs/${dirty}?tab=pins`, 'alert(2)');
  await expectText(page, `/jobs/${dirty}?tab=spec`, 'alert(2)');
  await expectText(page, `/jobs/${dirty}/stages/read`, hostileFile);
  await expectText(page, `/jobs/${dead}/chunks/${letter.stage}/${letter.index}`, 'no such file');
  await expectText(page, `/jobs/${dirty}/rejects`, 'alert(2)');
  await expectText(page, `/rejects/${encodeURIComponent(rejectId)}`, 'alert(2)');
  await page.getByRole('button', { name: 'Reveal' }).click();
  await page.getByRole('group', { name: 'the record as text' }).getByText('alert(3)').waitFor();
  assert.deepEqual(await page.evaluate(made), [], 'a revealed reject');
  await page.goto(`${pages.api.url}/jobs/${dirty}/corrections`);
  await page
    .getByLabel('Edited export')
    .setInputFiles({ name: `${hostile.replaceAll('/', '')}.csv`, mimeType: 'text/csv', buffer: Buffer.from('no export\n') });
  await page.getByRole('alert').first().waitFor();
  assert.deepEqual(await page.evaluate(made), [], 'the name of an upload');
  await expectText(page, `/dead?row=${letter.deadLetterId}`, 'Why no more');
  await expectText(page, '/errors', 'INPUT_NOT_FOUND');
  await expectText(page, `/errors/${fingerprint}`, 'Why it is one group');
  await page.getByRole('button', { name: 'Note' }).click();
  await page.getByRole('textbox', { name: 'Note' }).fill(hostile);
  await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click();
  await page.getByText(hostile).first().waitFor();
  await page.getByRole('button', { name: 'Waive' }).click();
  await page.getByRole('textbox', { name: 'Reason' }).fill(hostile);
  await page.getByRole('button', { name: /^Waive \d/ }).click();
  await page.getByText(hostile).first().waitFor();
  assert.deepEqual(await page.evaluate(made), [], 'an operation');
  await expectText(page, '/audit', hostile);
  await expectText(page, `/jobs?q=${encodeURIComponent(`name:"${hostile.replaceAll(/["\\]/g, '\\$&')}"`)}`, 'No job matches');
  assert.deepEqual(dialogs, []);
  await close();
});
