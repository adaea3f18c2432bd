/**
 * The pages in a real browser, on real jobs: signing in, each page in light and dark without an accessibility finding, on a phone, by keyboard, with
 * texts from data that would be code if a page were careless. The content security policy is the server's own; a breach fails the test.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { steerChunks } from '../e2e/support/steer-chunks.ts';
import { generatedSpec } from '../e2e/support/workbench.ts';
import { type BrokenJob, brokenJob, dirtyJob, hostile, submit, untilEnded } from './support/jobs.ts';
import { BrowserBench, expectAccessible, expectNoSideways, rowsReady, toFirstRow } from './support/pages.ts';

let pages: BrowserBench;
let dirty: string;
let broken: BrokenJob;

before(async () => {
  pages = await BrowserBench.start('pages');
  dirty = await dirtyJob(pages);
  broken = await brokenJob(pages);
  assert.equal(await untilEnded(pages, dirty), 'completed');
});
after(() => pages?.stop());

/** Address, and a text that stands there once it is loaded. */
const screens = (): readonly (readonly [string, string])[] => [
  ['/', 'Bytes a second as a table'],
  ['/jobs', 'orders-import'],
  ['/jobs?q=state:nothing', 'No job matches'],
  [`/jobs/${dirty}`, 'adds up'],
  [`/jobs/${dirty}?tab=pins`, 'dialect.delimiter'],
  [`/jobs/${dirty}?tab=outputs`, 'None: every chunk'],
  [`/jobs/${dirty}?tab=spec`, 'submit again'],
  [`/jobs/${broken.jobId}`, 'BUDGET_DEAD_LETTERS'],
  [`/jobs/${broken.jobId}/stages/clean?q=state:dead`, 'INPUT_NOT_FOUND'],
  [`/jobs/${dirty}/chunks/clean/0`, 'the receipt stands in the journal'],
  [`/jobs/${broken.jobId}/chunks/clean/69`, 'no such file'],
  ['/jobs/new', 'Begin with an example'],
  [`/jobs/new?from=${dirty}`, 'It can be read'],
  ['/dead', 'INPUT_NOT_FOUND'],
  [`/dead?row=${broken.jobId}.clean.69.1`, 'Why no more'],
  ['/errors', 'INPUT_NOT_FOUND'],
  ['/operations', 'Nothing was redriven'],
  ['/redrives/new', 'A redrive begins with'],
  ['/rejects', 'By code'],
  [`/jobs/${dirty}/rejects`, 'CSV_LONG_ROW'],
  ['/workers', 'Scaling of pool'],
  ['/queues', 'new jobs'],
  ['/status', 'copy as text'],
  ['/settings', 'New password'],
  ['/nothing/here', 'Nothing stands at this address'],
];

test('every page is accessible, in light and in dark', async () => {
  const { page, close } = await pages.open('/jobs');
  for (const [path, text] of screens()) {
    await page.goto(`${pages.api.url}${path}`);
    await page.getByText(text).first().waitFor();
    await expectAccessible(page, path);
  }
  await close();
});

test('every page fits a phone', async () => {
  const { page, close } = await pages.open('/jobs', { width: 360 });
  for (const [path, text] of screens()) {
    await page.goto(`${pages.api.url}${path}`);
    await page.getByText(text).first().waitFor({ state: 'attached' });
    await expectNoSideways(page, path);
  }
  await close();
});

test('without a session any page leads to the sign-in, which refuses a wrong password and leads back', async () => {
  const page = await pages.openAsStranger(`/jobs/${dirty}?tab=pins`);
  await page.getByLabel('User').fill('nina');
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('request r').waitFor();
  await expectAccessible(page, '/login');
  await page.getByLabel('Password').fill('a password of this test');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('dialect.delimiter').waitFor();
  assert.match(page.url(), new RegExp(`/jobs/${dirty}\\?tab=pins$`));
  await page.context().close();
});

test('a list is walked, opened, selected and filtered by keyboard alone', async () => {
  const { page, close } = await pages.open('/');
  await page.getByRole('navigation').first().waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('j');
  await page.getByText('2 jobs').waitFor();
  await rowsReady(page);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('x');
  await page.getByText('1 job selected').waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('1 job selected').waitFor({ state: 'detached' });
  await page.keyboard.press('/');
  await page.keyboard.type('state:fa');
  await page.getByRole('option', { name: /state:failed/ }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.getByText('1 job').waitFor();
  assert.match(page.url(), /q=state%3Afailed/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await toFirstRow(page);
  await page.keyboard.press('Enter');
  await page.getByText('BUDGET_DEAD_LETTERS').first().waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog').getByText('All keys').waitFor();
  await expectAccessible(page, 'the help');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'page, id or code' }).waitFor();
  await page.keyboard.type(dirty);
  await page.getByRole('option', { name: /Open the job/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByText('adds up').first().waitFor();
  await close();
});

test('an empty list says which term emptied it, and a filter that cannot be read says why', async () => {
  const { page, close } = await pages.open('/jobs?q=state:failed%20name:nobody', { expected: /status of 400/ });
  await page.getByRole('button', { name: 'Remove name:nobody: 1 match' }).click();
  await page.getByText('1 job').waitFor();
  await page.goto(`${pages.api.url}/jobs?q=stat:failed`);
  await page.getByText('did you mean state').first().waitFor();
  await page.getByText('FILTER_INVALID').waitFor();
  await close();
});

test('texts from data are texts', async () => {
  const { page, close } = await pages.open(`/jobs/${dirty}`);
  await page.getByText(hostile).first().waitFor();
  assert.equal(await page.evaluate("document.querySelectorAll('main img, main script').length"), 0);
  assert.equal(
    await page.evaluate("[...document.querySelectorAll('*')].some((element) => [...element.attributes].some(({ name }) => name === 'onerror'))"),
    false,
  );
  await close();
});

test('a job is paused and cancelled with a reason that the timeline keeps', async () => {
  const { bench } = pages;
  const { directory } = bench.generate('long', { records: 60_000, files: 1 });
  await steerChunks(pages, true);
  const jobId = await submit(pages, generatedSpec(directory, bench.path('out', 'long'), '64KiB'));
  const { page, close } = await pages.open(`/jobs/${jobId}`);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByLabel(/Reason/).fill(`look first ${hostile}`);
  await page.keyboard.press('Control+Enter');
  await page.getByRole('button', { name: 'Resume' }).waitFor();
  await page.getByText(`look first ${hostile}`).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the job' }).click();
  await page.getByText('cancelled').first().waitFor();
  assert.equal(await untilEnded(pages, jobId), 'cancelled');
  await steerChunks(pages, false);
  await close();
});

test('a spec with mistakes shows each at its line, and is accepted once they are mended', async () => {
  const { bench } = pages;
  const { directory } = bench.generate('written', { records: 500 });
  const spec = generatedSpec(directory, bench.path('out', 'written'), '64KiB', { priorty: 7 });
  const { page, close } = await pages.open('/jobs/new');
  await page.getByLabel('job spec').fill(JSON.stringify(spec, null, 2));
  await page.getByRole('button', { name: 'Check' }).click();
  await page.getByText('1 issue').waitFor();
  await page.getByRole('region', { name: 'issues' }).getByText('/priorty').waitFor();
  assert.ok(await page.getByRole('button', { name: 'Submit' }).isDisabled(), 'an issue blocks the submit');
  await expectAccessible(page, 'a spec with an issue');
  const { priorty: _, ...mended } = spec;
  await page.getByLabel('job spec').fill(JSON.stringify(mended, null, 2));
  await page.getByLabel('job spec').press('Control+Enter');
  await page.getByText('Nothing is wrong with it').waitFor();
  await page.getByRole('region', { name: 'What there is to do' }).getByText('about 1').waitFor();
  await page.getByText('set by the spec').first().waitFor();
  await expectAccessible(page, 'a spec that was checked');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, 'a spec that was checked');
  await page.getByLabel('job spec').press('Control+Enter');
  await page.getByText('adds up').waitFor();
  await close();
});

test('two tabs share one event stream, and a new job waits behind a button in both', async () => {
  const first = await pages.open('/jobs');
  await first.page.getByText('Live', { exact: true }).waitFor();
  const second = await pages.open('/jobs');
  const streams: string[] = [];
  for (const { page } of [first, second]) page.on('request', (request) => request.url().includes('/v1/stream') && streams.push(request.url()));
  await second.page.getByText('Live', { exact: true }).waitFor();
  await second.page.getByText('orders-import').first().waitFor();
  const { bench } = pages;
  const { directory } = bench.generate('watched', { records: 500 });
  const jobId = await submit(pages, generatedSpec(directory, bench.path('out', 'watched'), '64KiB', { name: 'watched-job' }));
  for (const { page } of [first, second]) {
    await page.getByRole('button', { name: '1 new' }).waitFor();
    assert.equal(await page.getByText('watched-job').count(), 0, 'rows hold still');
    await page.getByRole('button', { name: '1 new' }).click();
    await page.getByText('watched-job').waitFor();
  }
  assert.equal(await untilEnded(pages, jobId), 'completed');
  for (const { page } of [first, second]) await page.locator(`[data-row="${jobId}"]`).getByText('completed').waitFor();
  assert.deepEqual(streams, [], 'the tab that leads has the only stream already');
  await first.close();
  await second.close();
});
