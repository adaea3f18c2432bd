import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { parseFailpoints } from './testing/failpoints.ts';

const program = `import { failpoint } from '@millrace/service-kit/failpoints';
for (let turn = 1; turn <= 3; turn++) { await failpoint('chunk.2-3', 'c' + turn); console.log('passed ' + turn); }`;

function run(failpoints: string, conditions: readonly string[]) {
  const env = { ...process.env, MILLRACE_FAILPOINTS: failpoints };
  const args = [...conditions, '--input-type=module', '-e', program];
  return spawnSync(process.execPath, args, { cwd: import.meta.dirname, env, encoding: 'utf8' });
}

test('the product has no failpoints, whatever the environment says', () => {
  const { stdout, stderr, status } = run('chunk.2-3=kill', []);
  assert.deepEqual([stdout.trim().split('\n').length, stderr, status], [3, '', 0]);
});

test('a failpoint fires at its passing, says so, and only then', () => {
  const { stdout, stderr, signal } = run('chunk.9-10=exit,chunk.2-3=kill:2', ['--conditions=millrace-test']);
  assert.equal(stdout.trim(), 'passed 1');
  assert.equal(signal, 'SIGKILL');
  const { pid, ...said } = JSON.parse(stderr) as { pid: number };
  assert.deepEqual(said, { failpoint: 'chunk.2-3', action: 'kill', passing: 2, detail: 'c2' });
  assert.ok(pid > 1);
});

test('one that throws is an error of the caller', () => {
  const { stdout, stderr, status } = run('chunk.2-3=throw', ['--conditions=millrace-test']);
  assert.deepEqual([stdout, status], ['', 1]);
  assert.match(stderr, /FailpointError: failpoint chunk\.2-3/);
});

test('what cannot be read is refused', () => {
  assert.deepEqual(parseFailpoints('rebuild.3-4=delay-50:always, fail.2-3=stop'), [
    { gap: 'rebuild.3-4', action: 'delay', delayMs: 50, at: 0 },
    { gap: 'fail.2-3', action: 'stop', delayMs: 0, at: 1 },
  ]);
  for (const wrong of ['chunk.2-3', 'chunk.2-3=die', 'Chunk=kill', 'chunk.2-3=kill:0'])
    assert.throws(() => parseFailpoints(wrong), /cannot read the failpoint/);
});
