import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostMemory, memoryProblem, slotsFor } from './host-slots.ts';

const GiB = 1024 ** 3;

test('a host has as many slots as its memory holds and its processors feed', () => {
  const host = { bytes: 8.5 * GiB, processors: 16 };
  assert.deepEqual(
    [slotsFor('auto', GiB, host), slotsFor('auto', 2 * GiB, host), slotsFor('auto', GiB, { ...host, processors: 3 }), slotsFor('auto', 16 * GiB, host)],
    [8, 4, 3, 1],
  );
  assert.equal(slotsFor(20, GiB, host), 20, 'a number that is written is taken');
  assert.equal(memoryProblem(8, GiB, host), null);
  assert.match(memoryProblem(9, GiB, host) ?? '', /9 slots/);
});

test('the limit of a control group is the memory of a host, if it is one', () => {
  const files: Record<string, string> = { '/sys/fs/cgroup/memory.max': '1073741824\n' };
  const read = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error('ENOENT');
    return text;
  };
  assert.equal(hostMemory(read).bytes, GiB);
  files['/sys/fs/cgroup/memory.max'] = 'max\n';
  assert.ok(hostMemory(read).bytes > 0 && Number.isFinite(hostMemory(read).bytes));
  files['/sys/fs/cgroup/memory/memory.limit_in_bytes'] = '9223372036854771712\n';
  assert.ok(hostMemory(read).bytes < 2 ** 50);
});
