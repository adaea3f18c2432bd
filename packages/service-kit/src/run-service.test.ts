import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';

const program = join(import.meta.dirname, 'testing/service-program.ts');

/** A process that runs one service and says on stdout when it has started and stopped. */
function startProgram(
  mode: string,
  stdin: 'pipe' | 'ignore' = 'ignore',
): { child: ChildProcess; said: (word: string) => Promise<void>; ended: Promise<[number | null, string | null]> } {
  const child = spawn(process.execPath, [program, mode], { stdio: [stdin, 'pipe', 'ignore'] });
  let text = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  const said = async (word: string): Promise<void> => {
    while (!text.includes(word)) await once(child.stdout ?? child, 'data', { signal: AbortSignal.timeout(120_000) });
  };
  return { child, said, ended: once(child, 'exit') as Promise<[number | null, string | null]> };
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops the services and ends with 0`, async () => {
    const { child, said, ended } = startProgram('plain');
    await said('started');
    child.kill(signal);
    await said('stopped');
    assert.deepEqual(await ended, [0, null]);
  });
}

test('the end of stdin stops the services', async () => {
  const { child, said, ended } = startProgram('stdin', 'pipe');
  await said('started');
  child.stdin?.end();
  assert.deepEqual(await ended, [0, null]);
});

test('a service outlives neither its parent nor its parent being killed outright', async () => {
  const { child, said } = startProgram('parent');
  await said('pid');
  const pid = Number(/pid (\d+)/.exec(await collected(child))?.[1]);
  child.kill('SIGKILL');
  const deadline = performance.now() + 120_000;
  while (isAlive(pid)) {
    assert.ok(performance.now() < deadline, 'the service is still alive');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});

test('a service that fails to start, or that does not stop in time, ends with 1', async () => {
  const failing = startProgram('fails');
  assert.deepEqual(await failing.ended, [1, null]);
  const hanging = startProgram('hangs');
  await hanging.said('started');
  hanging.child.kill('SIGTERM');
  assert.deepEqual(await hanging.ended, [1, null]);
});

test('a failure from inside stops the services and ends with 1', async () => {
  const { said, ended } = startProgram('breaks');
  await said('stopped');
  assert.deepEqual(await ended, [1, null]);
});

async function collected(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (/again pid \d+\n/.test(text)) resolve(text);
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
