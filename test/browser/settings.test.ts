/** Settings in the pages: a token is made, seen once, works, and ends when it is revoked. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '@millrace/service-kit';
import { createClient } from '../../packages/api-contract/src/client.ts';
import { until } from '../e2e/support/until.ts';
import { BrowserBench, expectAccessible, expectNoSideways } from './support/pages.ts';

let pages: BrowserBench;
/** Of the API's clock before ours. */
let aheadMs = 0;

before(async () => {
  pages = await BrowserBench.start('settings', {
    api: {
      clock: {
        ...systemClock,
        nowMs: () => systemClock.nowMs() + aheadMs,
        nowIso: () => new Date(systemClock.nowMs() + aheadMs).toISOString(),
        monotonicMs: () => systemClock.monotonicMs() + aheadMs,
      },
    },
  });
});
after(() => pages?.stop());

test('a token is made, shown once, works within its bounds, and is revoked', async () => {
  const { page, close } = await pages.open('/settings');
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByLabel('Name').fill('keda');
  await page.getByLabel('It may').selectOption('scaler');
  await page.getByLabel('Runs out after').selectOption('365');
  await page.getByLabel('Reason').fill('scaling of the fleet');
  await expectAccessible(page, 'a new token');
  await page.getByRole('button', { name: 'Make the token' }).click();
  const shown = page.getByText(/^mrt_[\w-]{43}$/);
  await shown.waitFor();
  const token = (await shown.textContent()) ?? '';
  await expectAccessible(page, 'the secret of a token');
  await page.setViewportSize({ width: 360, height: 780 });
  await expectNoSideways(page, '/settings');
  await page.setViewportSize({ width: 1280, height: 900 });

  const client = createClient({ baseUrl: pages.api.url, token });
  const me = await client.call('GET /me', {});
  assert.deepEqual([me.name, me.role, me.scopes], ['keda', 'viewer', ['stats:read']]);
  await assert.rejects(client.call('GET /jobs', {}), { status: 403 });

  await page.getByRole('button', { name: 'I have it' }).click();
  await shown.waitFor({ state: 'detached' });
  await page.reload();
  await page.getByRole('button', { name: 'Revoke keda' }).waitFor();
  assert.equal(await shown.count(), 0, 'nothing shows it a second time');
  await page.getByRole('button', { name: 'Revoke keda' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('1 token revoked or run out').waitFor();
  await until('the token to be refused', () =>
    client.call('GET /me', {}).then(
      () => false,
      (error: { status?: number }) => error.status === 401,
    ),
  );
  await page.goto(`${pages.api.url}/audit?q=act:token.create`);
  await page.getByText('scaling of the fleet').first().waitFor();
  await close();
});

test('somebody is invited by a link, chooses a password, and is taken out again', async () => {
  const { page, close } = await pages.open('/settings');
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await page.getByLabel('User').fill('bob');
  await page.getByLabel('Role').selectOption('viewer');
  await page.getByLabel('Reason').fill('night shift');
  await expectAccessible(page, 'an invitation');
  await page.getByRole('button', { name: 'Make the link' }).click();
  const shown = page.getByText(/\/login#link=[\w-]{43}&user=bob$/);
  await shown.waitFor();
  const link = (await shown.textContent()) ?? '';
  await page.getByRole('button', { name: 'I have it' }).click();

  const stranger = await pages.openAsStranger(link.slice(pages.api.url.length));
  await stranger.getByRole('heading', { name: 'Welcome: choose your password' }).waitFor();
  assert.equal(await stranger.getByLabel('User').inputValue(), 'bob');
  await expectAccessible(stranger, 'the link of an invitation');
  await stranger.getByLabel('Password').fill('a password of the night');
  await stranger.getByRole('button', { name: 'Set it and sign in' }).click();
  await stranger.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await stranger.goto(`${pages.api.url}/settings`);
  await stranger.getByText('Only administrators set things up.').waitFor();

  await page.reload();
  await page.getByRole('button', { name: 'New password for bob' }).waitFor();
  await page.getByRole('button', { name: 'Take out bob' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Take out' }).click();
  await page.getByRole('button', { name: 'Take out bob' }).waitFor({ state: 'detached' });
  await stranger.goto(`${pages.api.url}/jobs`);
  await stranger.getByRole('heading', { name: 'Sign in' }).waitFor();
  await stranger.context().close();
  await close();
});

test('who signed in a while ago is asked for the password again, and loses nothing that was written', async () => {
  const { page, close } = await pages.open('/settings', { expected: /status of 403/ });
  aheadMs = 11 * 60_000;
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByLabel('Name').fill('import');
  await page.getByLabel('Reason').fill('nightly files');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByLabel('Your password').fill(pages.password);
  await expectAccessible(page, 'the password again');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByText(/^mrt_[\w-]{43}$/).waitFor();
  await page.getByRole('button', { name: 'Revoke import' }).waitFor();
  await close();
});
