/** `millrace dev --demo` as a newcomer starts it: everything comes up, the demo's jobs end as announced, other commands find the server, and nothing is left. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { createClient } from '@millrace/api-contract/client';
import { startCli } from './support/cli.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('dev');
});
after(() => bench.close());

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('millrace dev', () => {
  it('--demo shows jobs of several fates, and ends with everything it started', async () => {
    const place = bench.path('place');
    mkdirSync(place);
    const port = await freePort();
    const dev = startCli(['dev', '--demo', '--port', String(port), '--workers', '2'], { cwd: place, env: { XDG_RUNTIME_DIR: bench.home } });
    let said = '';
    dev.child.stdout?.on('data', (text: string) => {
      said += text;
    });
    await until('the demo to be submitted', () => said.includes('access-log') && said.trimEnd().split('/jobs/').length === 6, {
      describe: () => `${said}${dev.stderr()}`,
    });
    const token = /mrt_[A-Za-z0-9_-]{43}/.exec(said)?.[0] ?? assert.fail(said);
    const client = createClient({ baseUrl: `http://127.0.0.1:${port}`, token });
    const states = async (): Promise<Record<string, string>> =>
      Object.fromEntries((await client.call('GET /jobs', {})).data.map(({ name, state }) => [name, state]));
    await until('all five to end', async () => Object.values(await states()).every((state) => state === 'completed' || state === 'failed'));
    assert.deepEqual(await states(), {
      'orders-import': 'completed',
      'events-import': 'completed',
      'orders-strict': 'failed',
      'partner-feed': 'failed',
      'access-log': 'completed',
    });
    const letters = await client.call('GET /dead-letters', {});
    assert.deepEqual(
      letters.data.map(({ code }) => code),
      ['INPUT_TRUNCATED'],
    );
    dev.child.kill('SIGINT');
    assert.equal((await dev.ended).code, 0);
    assert.deepEqual(readdirSync(place), [], 'without --persist nothing is left');
    await bench.expectNothingRuns();
  });

  it('refuses what it does not take', async () => {
    for (const [args, message] of [
      [['dev', 'here'], /dev takes no arguments, got "here"/],
      [['dev', '--port', '99999'], /a whole number from 1 to 65535 for --port, got "99999"/],
    ] as const) {
      const end = await startCli(args).ended;
      assert.equal(end.code, 2);
      assert.match(end.stderr, message);
    }
  });
});
