import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Act, ActEnd, AuditLog } from '@millrace/journal';
import type { QueueName, TaskId } from '@millrace/protocol';
import { silentLog } from '@millrace/service-kit';
import { FakeClock } from '@millrace/service-kit/testing';
import { RefusedTasks } from './refused-tasks.ts';

const queue = 'chunk-default-r1' as QueueName;

function refusing(fails = false) {
  const written: { act: Act; end: ActEnd }[] = [];
  const audit = {
    during: async (act: Act, _doIt: unknown, endOf: (result: undefined) => ActEnd) => {
      if (fails) throw new Error('the journal is away');
      written.push({ act, end: endOf(undefined) });
    },
  } as unknown as AuditLog;
  const clock = new FakeClock(0);
  return { refused: new RefusedTasks({ audit, clock, log: silentLog, worker: 'w-1' }), written, clock };
}

test('each refused task is counted and audited, with the key that it claims and nothing that breaks a line', async () => {
  const { refused, written } = refusing();
  await refused.refuse({ queue, taskId: `j1.read.0\n"${'x'.repeat(500)}` as TaskId, signature: 'k9.deadbeef' });
  await refused.refuse({ queue, taskId: 'j1.read.1.1.e-1' as TaskId, signature: null });
  assert.equal(refused.count, 2);
  assert.ok((written[0]?.act.object.length ?? 999) < 300 && !written[0]?.act.object.includes('\n'));
  assert.deepEqual(
    written.map(({ act, end }) => [act.act, end.outcome, end.after?.['keyId'], end.after?.['signed']]),
    [
      ['task.refuse', 'refused', 'k9', true],
      ['task.refuse', 'refused', null, false],
    ],
  );
});

test('a flood is counted, and the next record says how many were not told', async () => {
  const { refused, written, clock } = refusing();
  for (let n = 0; n < 500; n += 1) await refused.refuse({ queue, taskId: `t${n}` as TaskId, signature: 'k.x' });
  assert.deepEqual([refused.count, written.length], [500, 20]);
  clock.advance(60_000);
  await refused.refuse({ queue, taskId: 'later' as TaskId, signature: 'k.x' });
  assert.deepEqual([written.length, written.at(-1)?.end.after?.['untold'], written.at(-1)?.end.after?.['refused']], [21, 480, 501]);
});

test('a journal that is away does not make a refused task run', async () => {
  const { refused } = refusing(true);
  await refused.refuse({ queue, taskId: 't' as TaskId, signature: null });
  assert.equal(refused.count, 1);
});
