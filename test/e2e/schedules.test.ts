/** A recurring job through real processes: fired, run, and its end told by a signed webhook that outlives a scheduler killed over it. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { JobSpec } from '@millrace/producer';
import { followToEnd } from './support/follow.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('schedules');
});
after(() => bench.close());

describe('a schedule with a webhook', () => {
  it('makes a job that runs, and its end is told once, although the scheduler is killed before anybody was told', async () => {
    const secrets = bench.path('secrets');
    mkdirSync(secrets);
    writeFileSync(join(secrets, 'hook'), 'a secret');
    const received: { headers: Record<string, unknown>; body: string }[] = [];
    let isOpen = false;
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        if (isOpen) received.push({ headers: request.headers, body });
        response.writeHead(isOpen ? 200 : 503).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const before = { ...process.env };
    process.env['MILLRACE_HTTP_ALLOW'] = `127.0.0.1:${port}`;
    process.env['MILLRACE_SECRETS'] = secrets;
    const input = bench.path('in.csv');
    writeFileSync(input, 'id,name\n1,a\n2,b\nx,c\n');
    const out = bench.path('out');
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const spec = {
        name: 'nightly',
        inputs: { uri: pathToFileURL(input).href },
        schema: { fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] },
        output: { uri: `${pathToFileURL(out).href}/`, ifNotEmpty: 'append' },
        schedule: { cron: '30 2 * * *', timezone: 'Europe/Berlin' },
        callbacks: [{ url: `http://127.0.0.1:${port}/done`, secret: 'secret://hook' }],
      } as JobSpec;
      await assert.rejects(local.producer.submit(spec), (error: { code?: string }) => error.code === 'SPEC_SCHEDULE_HERE');
      const put = await local.producer.schedules.put(spec, 'a test');
      assert.equal(put.next.length, 5);
      const fired = await local.producer.schedules.fire('nightly');
      const jobId = fired.runs[0]?.jobId;
      assert.ok(jobId, JSON.stringify(fired.runs));
      const status = await followToEnd(local.producer.job(jobId));
      assert.equal(status.state, 'completed', status.failure?.message);
      // Nobody was told yet: the receiver refuses. The one who owes it is killed.
      for (const role of local.stack.roles.filter((one) => one.role === 'scheduler')) role.kill('SIGKILL');
      isOpen = true;
      local.stack.start('scheduler');
      await until('the webhook', () => received.length > 0, { every: 50 });
      const [{ headers, body } = { headers: {}, body: '' }] = received;
      const told = JSON.parse(body) as { type: string; data: { jobId: string; balance: { rejected: number } } };
      assert.deepEqual([told.type, told.data.jobId, told.data.balance.rejected], ['job.completed', jobId, 1]);
      assert.ok(!body.includes('x,c'), 'no content of records');
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
      assert.equal(headers['webhook-signature'], `v1,${createHmac('sha256', 'a secret').update(signed).digest('base64')}`);
      assert.equal((await local.producer.schedules.list()).length, 1);
    } finally {
      await local.stop();
      server.close();
      for (const name of ['MILLRACE_HTTP_ALLOW', 'MILLRACE_SECRETS']) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
    await bench.expectNothingRuns();
  });
});
