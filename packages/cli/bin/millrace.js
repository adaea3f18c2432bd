#!/usr/bin/env node
// Starts the command line with a Node that runs TypeScript: this one when it is new enough, else the one that npm installed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, '..', 'src', 'main.ts');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 18);
const bundled = join(here, '..', '..', '..', 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
const node = isNewEnough ? process.execPath : existsSync(bundled) ? bundled : null;

if (node === null) {
  process.stderr.write(`error: Node ${process.versions.node} cannot run millrace\n  Install Node 22.18 or later, or run \`npm run setup\` in the project.\n`);
  process.exit(69);
}
if (isNewEnough) {
  await import(pathToFileURL(main).href);
} else {
  startWith(node);
}

/** Signals go to the child alone: it decides what a Ctrl-C means, and one on a terminal reaches it by itself. */
function startWith(program) {
  const child = spawn(program, [main, ...process.argv.slice(2)], { stdio: 'inherit', env: { ...process.env, MILLRACE_PARENT_PID: String(process.pid) } });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  process.on('SIGINT', () => {});
  child.on('close', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}
