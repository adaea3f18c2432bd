import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { coresOf, killRole, roleOf } from '../support/accidents.ts';
import { expectTidy, expectTruth } from '../support/expect-output.ts';
import { followToEnd } from '../support/follow.ts';
import { failures, deadLetters } from '../support/journal-files.ts';
import { generatedSpec, Workbench } from '../support/workbench.ts';

const bench = new Workbench('soak');
const data = bench.generate('data', { records: 30_000, files: 2, seed: 5 }).directory;
const rounds = Number(process.argv[2] ?? 10);
let bad = 0;
for (let round = 0; round < rounds; round += 1) {
  const out = bench.path(`out-${round}`);
  const plan: string[] = [];
  const startedAt = performance.now();
  const local = await bench.stack({ out, readRoots: [data], hostSlots: [1, 1] });
  let jobId = '';
  try {
    const handle = await local.producer.submit(generatedSpec(data, out, '64KiB') as never, { idempotencyKey: out });
    jobId = handle.jobId;
    const following = followToEnd(handle);
    following.catch(() => {});
    const kills = 1 + Math.floor(Math.random() * 3);
    for (let n = 0; n < kills; n += 1) {
      const wait = Math.floor(Math.random() * 1500);
      await delay(wait);
      const dice = Math.floor(Math.random() * 4) + 4;
      plan.push(`${wait}:${['host', 'scheduler', 'core', 'stop-host','flush','freeze-host','freeze-core','freeze-sched'][dice]}`);
      if (dice === 0) { await killRole(local, 'worker-host'); local.stack.start('worker-host'); }
      if (dice === 1) { await killRole(local, 'scheduler'); local.stack.start('scheduler'); }
      if (dice === 2) { const [core] = coresOf(roleOf(local, 'worker-host').child.pid ?? 0); if (core) try { process.kill(core.pid, Math.random() < 0.5 ? 'SIGSEGV' : 'SIGKILL'); } catch {} }
      if (dice === 4) spawnSync('redis-cli', ['-s', local.redisUrl.slice(7), 'flushall']);
      const freeze = async (pid: number, ms: number) => { try { process.kill(pid, 'SIGSTOP'); } catch { return; } await delay(ms); try { process.kill(pid, 'SIGCONT'); } catch {} };
      if (dice === 5) void freeze(roleOf(local, 'worker-host').child.pid ?? 0, 9_000);
      if (dice === 6) { const [core] = coresOf(roleOf(local, 'worker-host').child.pid ?? 0); if (core) void freeze(core.pid, 20_000); }
      if (dice === 7) void freeze(roleOf(local, 'scheduler').child.pid ?? 0, 5_000);
      if (dice === 3) { const one = roleOf(local, 'worker-host'); one.child.kill('SIGTERM'); local.stack.start('worker-host'); }
    }
    const status = await Promise.race([following, delay(90_000).then(() => null)]);
    if (status === null) { console.log('STUCK', await handle.status()); throw new Error('stuck'); }
    await local.stop();
    assert.equal(status.state, 'completed', status.failure?.message);
    await bench.expectNothingRuns();
    expectTidy(out, jobId);
    await expectTruth(data, out);
    console.log(round, 'ok', Math.round(performance.now() - startedAt), plan.join(' '), failures(out, jobId).map((f) => `${f.stage}:${f.code}`).join(' '));
    rmSync(out, { recursive: true });
  } catch (error) {
    bad += 1;
    await local.stop().catch(() => {});
    console.log(round, 'BAD', plan.join(' '), out, String(error).slice(0, 600), deadLetters(out, jobId).map((l) => `${l.stage}.${l.chunk} ${l.code} ${l.reason} ${l.message}`).slice(0, 3));
  }
}
console.log('bad', bad);
if (bad === 0) await bench.close();
process.exit(0);
