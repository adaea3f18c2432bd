import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newRequestId } from '@millrace/protocol';
import { idSource, systemRandom } from '@millrace/service-kit';
import type { RunningScheduler } from './start-scheduler.ts';
import { accepted, Bench, untilEnd, untilStatus } from './testing/fixture.ts';
import { startScriptedHost } from './testing/scripted-host.ts';

let bench: Bench;
let scheduler: RunningScheduler;
before(async () => {
  bench = await Bench.set();
  // So that no wait ends by itself within this test.
  scheduler = await bench.startScheduler({ random: { ...systemRandom, next: () => 10_000 } });
});
after(() => bench.clear());

const ids = idSource();

function retryNow(jobId: Awaited<ReturnType<typeof accepted>>, chunk: number, tenant = 'default') {
  const request = { kind: 'retryNow', requestId: newRequestId(ids), tenant, by: 'test', jobId, stage: 'read', chunk, reason: 'the store is back' } as const;
  return scheduler.control.queues.requests.ask(request, { timeoutMs: 120_000 });
}

test('a chunk that waits for its next try gets it at once when somebody says so, and nothing else does', async () => {
  const host = await startScriptedHost(scheduler.control, {
    chunk: (chunk, attempt) => (chunk === 1 && attempt === 1 ? { class: 'transient', code: 'STORAGE_TIMEOUT' } : 'commit'),
  });
  try {
    const jobId = await accepted(scheduler, 'retry-now', bench.spec(await bench.file('retry-now.txt', 3)));
    await untilStatus(scheduler, jobId, ({ chunks }) => chunks.retrying === 1 && chunks.committed === 2);
    const foreign = await retryNow(jobId, 1, 'other');
    assert.ok(!foreign.ok && foreign.code === 'NOT_FOUND');
    const committed = await retryNow(jobId, 0);
    assert.ok(!committed.ok && committed.code === 'STATE_CONFLICT');
    // The leader decides about the wait within a round.
    let answer = await retryNow(jobId, 1);
    while (!answer.ok && answer.message.includes('being decided')) answer = await retryNow(jobId, 1);
    assert.deepEqual(answer, { ok: true, kind: 'retryNow', chunkId: `${jobId}.read.1` });
    const status = await untilEnd(scheduler, jobId);
    assert.deepEqual([status.state, status.chunks.committed], ['completed', 3]);
    const acts: string[] = [];
    const day = new Date().toISOString().slice(0, 10);
    for await (const { record } of scheduler.control.journal.listAudit(day)) if (record.act === 'chunk.retryNow') acts.push(record.outcome ?? 'begun');
    assert.ok(acts.includes('done') && acts.includes('refused'), acts.join());
  } finally {
    await host.stop();
  }
});
