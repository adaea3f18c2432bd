/**
 * `npm run test:stores`: object stores of other people must keep the promises that commits rest on. For each of them the suite of the store crate and
 * a whole job through the command line; then the result is written to docs/store-results.md. A store that cannot be installed is named with the reason.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { s3 } from '../test/e2e/support/s3.ts';
import { bucket, type Missing, type StoreServer, startMoto, startVersity } from '../test/e2e/support/store-servers.ts';
import { cargo, installBinary, orExit, root, targetDir } from './setup.js';

interface Result {
  readonly store: string;
  readonly lines: readonly string[];
  readonly isPassed: boolean;
}

const stores: readonly (readonly [name: string, start: () => Promise<StoreServer | Missing>])[] = [
  ['moto', startMoto],
  ['versitygw', startVersity],
];

async function check(name: string, start: () => Promise<StoreServer | Missing>): Promise<Result | null> {
  const server = await start();
  if ('reason' in server) {
    console.log(`${name} is not tested: ${server.reason}`);
    return null;
  }
  try {
    await s3(server, 'PUT', `/${bucket}`);
    const env = { ...process.env, ...server.environment, MILLRACE_TEST_BUCKET: bucket, MILLRACE_TEST_STORE: name };
    const suite = spawnSync(join(targetDir(), 'release/examples/store_suite'), [], { env, encoding: 'utf8' });
    const job = spawnSync(process.execPath, ['--test', join(root, 'test/e2e/s3.test.ts')], { env, encoding: 'utf8' });
    process.stdout.write(suite.stdout + suite.stderr);
    if (job.status !== 0) process.stdout.write(job.stdout);
    const lines = [...suite.stdout.trim().split('\n'), `${job.status === 0 ? 'ok' : 'FAILED'} a whole job over it`];
    return { store: server.name, lines, isPassed: suite.status === 0 && job.status === 0 };
  } finally {
    await server.stop();
  }
}

function page(results: readonly Result[]): string {
  const sections = results.map(
    ({ store, lines, isPassed }) => `## ${store}: ${isPassed ? 'passed' : 'FAILED'}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`,
  );
  return `# Stores of other people, tested\n\nWritten by \`npm run test:stores\` on ${new Date().toISOString().slice(0, 10)}.\n\n${sections.join('\n')}`;
}

await orExit(async () => {
  await cargo(['build', '--release', '--locked', '-p', 'millrace-store', '--example', 'store_suite'], 'suite of the stores');
  await cargo(['build', '--release', '--locked', '-p', 'millrace-core', '--bin', 'millrace-core'], 'core');
  installBinary('millrace-core');
});
const results: Result[] = [];
for (const [name, start] of stores) {
  const result = await check(name, start);
  if (result !== null) results.push(result);
}
if (results.length > 0) writeFileSync(join(root, 'docs/store-results.md'), page(results));
console.log(results.map(({ store, isPassed }) => `${store}: ${isPassed ? 'passed' : 'FAILED'}`).join('\n'));
process.exit(results.length > 0 && results.every(({ isPassed }) => isPassed) ? 0 : 1);
