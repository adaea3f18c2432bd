/** `millrace dev`: all roles on this computer in one process tree, with the HTTP API and the dashboard, until Ctrl-C. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createClient } from '@millrace/api-contract/client';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { defaultSlots, type LocalStack, startLocalStack } from '../local-stack.ts';
import { announceServer, withdrawServer } from '../server-address.ts';

const defaultPort = 7300;
/** For the first answer of the API; the roles start their cores meanwhile. */
const patienceMs = 30_000;
const lookEveryMs = 50;

export const dev: Command = {
  name: 'dev',
  synopsis: '[--demo] [--port 7300] [--workers N] [--redis URL] [--persist DIR]',
  help: 'Starts scheduler, worker host, API and dashboard on this computer, with a Redis of their own, and prints where they are. Files below the current directory may be read and written. Other commands in another terminal find the server by themselves.',
  flags: {
    demo: { type: 'boolean', help: 'submit five jobs over files with known faults' },
    port: { type: 'string', value: 'PORT', help: `where the API listens, on this computer alone (${defaultPort})` },
    workers: { type: 'string', value: 'N', help: 'cores that work at once (as many as fit)' },
    redis: { type: 'string', value: 'URL', help: 'use a Redis that runs already' },
    persist: { type: 'string', value: 'DIR', help: 'keep the journal in DIR; without it nothing outlives this process' },
    verbose: { type: 'boolean', short: 'v', help: 'keep the log of all roles in DIR/dev.log' },
  },
  run: runDev,
};

async function runDev(call: CommandCall): Promise<ExitCode> {
  if (call.args.length > 0) throw new CommandError(exitCodes.usage, `dev takes no arguments, got ${JSON.stringify(call.args[0])}`);
  const port = wholeNumber(call, 'port', defaultPort, 65_535);
  const slots = wholeNumber(call, 'workers', defaultSlots(), 256);
  const persist = textFlag(call.flags, 'persist');
  const home = persist === undefined ? mkdtempSync(join(tmpdir(), 'millrace-dev-')) : resolve(persist);
  mkdirSync(home, { recursive: true });
  const token = `mrt_${randomBytes(32).toString('base64url')}`;
  const roots = [process.cwd(), home];
  const logFile = isSet(call.flags, 'verbose') ? join(home, 'dev.log') : null;
  try {
    const stack = await startLocalStack({
      directory: home,
      readRoots: roots,
      writeRoots: roots,
      hostSlots: [slots],
      redisUrl: textFlag(call.flags, 'redis'),
      logFile,
      api: { port, token },
    });
    const server = { url: `http://127.0.0.1:${port}`, token };
    try {
      await answering(server, stack);
      announceServer(server);
      tell(call, server, stack, { slots, persist: persist === undefined ? null : home, logFile });
      if (isSet(call.flags, 'demo')) await (await import('../demo-jobs.ts')).submitDemo(server, home, call.output);
      await Promise.race([untilAborted(call.signal), stack.failed]);
      call.output.say('Stopping: what runs is handed back.');
    } finally {
      withdrawServer(server);
      await stack.stop();
    }
  } finally {
    if (persist === undefined) rmSync(home, { recursive: true, force: true });
  }
  return exitCodes.done;
}

interface Server {
  readonly url: string;
  readonly token: string;
}

/** Resolves when the API answers; rejects when a role ends before, or nothing answers in time. */
async function answering(server: Server, stack: LocalStack): Promise<void> {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const asked = (async () => {
    for (const begunMs = performance.now(); performance.now() - begunMs < patienceMs; ) {
      const isUp = await client.call('GET /me', {}).then(
        () => true,
        () => false,
      );
      if (isUp) return;
      await new Promise((next) => setTimeout(next, lookEveryMs));
    }
    throw new CommandError(
      exitCodes.failed,
      `the API did not answer at ${server.url} within ${patienceMs / 1_000} s`,
      'Run again with --verbose and look into dev.log.',
    );
  })();
  await Promise.race([asked, stack.failed]);
}

function tell(call: CommandCall, { url, token }: Server, stack: LocalStack, of: { slots: number; persist: string | null; logFile: string | null }): void {
  call.output.document({ type: 'ready', url, token, redis: stack.redisUrl, slots: of.slots, journal: of.persist });
  call.output.line(`Millrace runs on this computer, with ${of.slots} ${of.slots === 1 ? 'core' : 'cores'} that work.`);
  call.output.line(`  dashboard and API  ${url}`);
  call.output.line('  sign in as         dev, with the token as password');
  call.output.line(`  token (admin)      ${token}`);
  call.output.line(`  Redis              ${stack.redisUrl}`);
  call.output.line(
    of.persist === null
      ? '  journal            in a temporary directory: nothing outlives this process (--persist DIR keeps it)'
      : `  journal            ${of.persist}`,
  );
  if (of.logFile !== null) call.output.line(`  log                ${of.logFile}`);
  call.output.line();
  call.output.line('In another terminal:  millrace submit SPEC.yaml --wait    millrace ls    millrace show @last');
  call.output.line('Ctrl-C ends it.');
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => (signal.aborted ? done() : signal.addEventListener('abort', () => done(), { once: true })));
}

function wholeNumber(call: CommandCall, name: string, otherwise: number, most: number): number {
  const text = textFlag(call.flags, name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new CommandError(exitCodes.usage, `expected a whole number from 1 to ${most} for --${name}, got ${JSON.stringify(text)}`);
}
