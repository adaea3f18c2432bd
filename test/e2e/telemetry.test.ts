/**
 * What processes say of themselves is true: ready means that work will go through, alive means nothing but that the process turns, and the numbers are those of the
 * work that was done. Scheduler, host and API as a cluster runs them; Redis is stopped and the journal taken away under them.
 */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { connect, type Producer } from '@millrace/producer';
import { followToEnd } from './support/follow.ts';
import { failing, type ProbedRole, ProbedRoles } from './support/probed-roles.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

/** A call to Redis must have worked in the last second, a read of the journal in the last three. */
const timeScale = 0.1;
const records = 400;
const rejects = 7;

let bench: Workbench;
let roles: ProbedRoles;
let scheduler: ProbedRole;
let host: ProbedRole;
let producer: Producer;

before(async () => {
  bench = new Workbench('telemetry', { hooks: true });
  roles = await ProbedRoles.set(bench, timeScale);
  scheduler = await roles.start('scheduler');
  host = await roles.start('worker-host', { MILLRACE_DRAIN_MS: '8000', MILLRACE_POD_NAME: 'pod-7', MILLRACE_NODE_NAME: 'node-3' });
});
after(async () => {
  await producer?.close();
  await roles.stop();
  bench.close();
});

const all = (): readonly ProbedRole[] => [scheduler, host];
/** Each is well, at the end of what was done to it. */
const allReady = async (): Promise<void> => void (await Promise.all(all().map((role) => role.until('/readyz', 200))));

function spec(name: string, marker = '') {
  const lines = Array.from({ length: records }, (_, index) => `${index + 1},${index < rejects ? 'x' : index},${index === 200 ? marker : 'plain'}`);
  const file = bench.path(`${name}.csv`);
  writeFileSync(file, `id,amount,name\n${lines.join('\n')}\n`);
  const schema = {
    fields: [
      { name: 'id', type: 'integer' },
      { name: 'amount', type: 'integer' },
      { name: 'name', type: 'string' },
    ],
  };
  const limits = { maxRatio: 1 };
  return {
    name,
    inputs: { uri: pathToFileURL(file).href, format: 'csv', schema },
    output: { uri: `${pathToFileURL(`${roles.out}/${name}`).href}/` },
    rejects: limits,
  };
}

describe('a process tells', () => {
  it('that it has started when every step has passed, and then that it is ready', async () => {
    for (const role of all()) {
      const started = await role.until('/startupz', 200);
      assert.deepEqual(started.checks.map(({ name }) => name).toSorted(), ['core', 'redis', 'store']);
      assert.equal((await role.until('/readyz', 200)).status, 'ok');
      assert.equal((await role.probe('/healthz'))?.status, 'ok');
      assert.match(await role.scrape(), /^millrace_build_info\{[^}]*core_version="\d[^}]*result_version="1"[^}]*\} 1$/m);
    }
  });

  it('the numbers of a job that went through', async () => {
    producer = await connect({ redis: roles.redis.url });
    const status = await followToEnd(await producer.submit(spec('orders') as never, { idempotencyKey: 'telemetry' }));
    assert.equal(status.state, 'completed', status.failure?.message);
    await until('the end to be counted', async () => (await scheduler.sum('millrace_jobs_finished_total', 'job_name="orders"', 'state="completed"')) === 1);
    assert.equal(await scheduler.sum('millrace_jobs_submitted_total', 'result="accepted"'), 1);
    assert.equal(await scheduler.sum('millrace_job_duration_seconds_count', 'job_name="orders"'), 1);
    assert.equal(await host.sum('millrace_records_total', 'job_name="orders"', 'fate="emitted"'), records - rejects);
    assert.equal(await host.sum('millrace_records_total', 'job_name="orders"', 'fate="rejected"'), rejects);
    assert.equal(await host.sum('millrace_rejects_total', 'job_name="orders"', 'code="TYPE_INTEGER"'), rejects);
    assert.equal(await host.sum('millrace_rows_written_total', 'job_name="orders"'), records - rejects);
    assert.ok((await host.sum('millrace_input_bytes_total', 'job_name="orders"')) > records * 10);
    assert.ok((await host.sum('millrace_attempt_phase_seconds_total')) > 0);
    await until('the last attempt to be counted', async () => (await host.sum('millrace_attempts_total')) >= 3);
    for (const kind of ['plan', 'map', 'finish'])
      assert.equal(await host.sum('millrace_attempts_total', `task_kind="${kind}"`, 'outcome="committed"'), 1, kind);
    assert.equal(await host.sum('millrace_attempts_total'), 3, 'and no other attempt');
    assert.equal(await host.sum('millrace_task_wait_seconds_count'), 3);
    assert.equal(await host.sum('millrace_core_starts_total', 'reason="first"'), 2, 'the core of the slot and the one that stores');
    assert.ok((await host.sum('millrace_core_resident_memory_bytes')) > 1_000_000);
    assert.ok((await scheduler.sum('millrace_dependency_request_duration_seconds_count', 'dependency="redis"')) > 10);
    assert.equal(await host.sum('millrace_label_overflow_total'), 0);
    assert.equal(await scheduler.sum('millrace_label_overflow_total'), 0);
  });

  it('that a Redis which hangs makes it unready, and that it need not be restarted for that', async () => {
    process.kill(roles.redis.pid, 'SIGSTOP');
    try {
      for (const role of all()) {
        const report = await role.until('/readyz', 503, (one) => failing(one).includes('redis'));
        assert.equal(report.status, 'unready');
        assert.equal((await role.probe('/healthz'))?.http, 200);
      }
    } finally {
      process.kill(roles.redis.pid, 'SIGCONT');
    }
    await allReady();
  });

  it('that a journal which is gone makes it unready, and that it need not be restarted for that', async () => {
    const away = `${roles.journal}.away`;
    renameSync(roles.journal, away);
    try {
      for (const role of all()) {
        const report = await role.until('/readyz', 503, (one) => failing(one).includes('store'));
        assert.match(report.checks.find(({ name }) => name === 'store')?.detail ?? '', /witness\.json.* is gone/);
        assert.equal((await role.probe('/healthz'))?.http, 200);
      }
    } finally {
      renameSync(away, roles.journal);
    }
    await allReady();
  });

  it('whether it leads or follows; whoever follows is ready too, and takes over', async () => {
    const second = await roles.start('scheduler');
    const detail = async (role: ProbedRole): Promise<string> => (await role.probe('/readyz'))?.checks.find(({ name }) => name === 'leading')?.detail ?? '';
    await second.until('/readyz', 200);
    assert.match(await detail(second), /^follows/);
    assert.match(await detail(scheduler), /^leads/);
    assert.deepEqual([await scheduler.sum('millrace_scheduler_leader'), await second.sum('millrace_scheduler_leader')], [1, 0]);
    assert.ok((await scheduler.sum('millrace_redis_memory_used_bytes')) > 0);
    assert.equal(await second.sum('millrace_redis_memory_used_bytes'), 0, 'only a leader tells of the whole installation');
    scheduler.child.kill('SIGKILL');
    await scheduler.ended;
    await second.until('/readyz', 200, ({ checks }) => checks.some(({ name, detail: text }) => name === 'leading' && text.startsWith('leads')));
    assert.equal(await second.sum('millrace_scheduler_leader'), 1);
    scheduler = second;
  });

  it('that it drains, with work still in hand, until it has ended', async () => {
    await producer.submit(spec('hangs', 'MILLRACE_CORE_HANG') as never, { idempotencyKey: 'hangs' });
    const planned = async (): Promise<number> => host.sum('millrace_attempts_total', 'task_kind="plan"', 'outcome="committed"');
    await until('the chunk to be in hand', async () => (await planned()) === 2 && (await host.sum('millrace_attempts_running')) === 1);
    await host.until('/readyz', 200);
    host.child.kill('SIGTERM');
    const report = await host.until('/readyz', 503, (one) => failing(one).includes('draining'));
    assert.deepEqual(failing(report), ['draining']);
    assert.equal((await host.probe('/healthz'))?.http, 200);
    assert.equal(await host.sum('millrace_worker_slots', 'state="idle"'), 0);
    assert.deepEqual(await host.ended, { code: 0, signal: null });
    assert.match(host.log, /"msg":"drain finished"/);
  });

  it('never that it has started with a core of another version', async () => {
    const wrong = await roles.start('worker-host', { MILLRACE_CORE_VERSION: '99.0.0' });
    const answers = new Set<number>();
    const watching = setInterval(() => void wrong.probe('/startupz').then((report) => report !== null && answers.add(report.http)), 20);
    const end = await wrong.ended;
    clearInterval(watching);
    assert.equal(end.code, 1);
    assert.ok(!answers.has(200), [...answers].join(' '));
    assert.match(wrong.log, /expected core 99\.0\.0/);
  });
});

describe('an api tells', () => {
  it('that it is degraded without Redis and still ready, and counts what it answers', async () => {
    const api = await roles.start('api');
    assert.equal((await api.until('/readyz', 200)).status, 'ok');
    process.kill(roles.redis.pid, 'SIGSTOP');
    try {
      const report = await api.until('/readyz', 200, ({ status }) => status === 'degraded');
      assert.match(report.checks.find(({ name }) => name === 'redis')?.detail ?? '', /away/);
      assert.equal((await api.probe('/healthz'))?.status, 'ok');
    } finally {
      process.kill(roles.redis.pid, 'SIGCONT');
    }
    const url = /"url":"([^"]+)"/.exec(api.log)?.[1] ?? assert.fail(api.log);
    assert.equal((await fetch(`${url}/v1/jobs`)).status, 401);
    assert.equal(await api.sum('millrace_http_request_duration_seconds_count', 'route="/jobs"', 'operation="GET"', 'result="4xx"'), 1);
    assert.equal(await api.sum('millrace_auth_refusals_total', 'reason="missing"'), 1);
  });
});
