import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startLocalRedis } from './local-redis.ts';

const DEADLINE_MS = 120_000;

async function until(holds: () => boolean): Promise<boolean> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!holds() && performance.now() < deadline) await delay(20);
  return holds();
}

function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket }, () => connection.write(`${command}\r\n`));
    connection.once('error', reject).once('data', (data) => {
      connection.destroy();
      resolve(data.toString());
    });
  });
}

test('a private Redis answers on its socket, evicts nothing, and is gone with its directory after stop', async () => {
  const redis = await startLocalRedis();
  const socket = redis.url.slice('unix://'.length);
  assert.match(await ask(socket, 'CONFIG GET maxmemory-policy'), /noeviction/);
  await redis.stop();
  assert.equal(existsSync(redis.directory), false);
  await assert.rejects(ask(socket, 'PING'));
});

test('it ends with its owner, also when that is killed', async () => {
  const script = `
    import { startLocalRedis } from ${JSON.stringify(new URL('./local-redis.ts', import.meta.url).href)};
    console.log((await startLocalRedis()).directory);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const directory = line.toString().trim();
  assert.equal(existsSync(directory), true);
  owner.kill('SIGKILL');
  assert.equal(await until(() => !existsSync(directory)), true, `${directory} is still there`);
});
