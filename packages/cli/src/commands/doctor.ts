/** `millrace doctor [--ready]`: whether everything that is needed is there and well. Silent when it is; one line a problem, with cause and fix. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connections, startCore } from '@millrace/core-client';
import { silentLog } from '@millrace/service-kit';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { coreBinary } from '../directory.ts';
import { exitCodes } from '../exit-codes.ts';
import { size } from '../output.ts';
import { serverFlags, withServer } from '../server/server-call.ts';
import { serverAddress } from '../server-address.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found, and what to do where it is not right. */
  readonly detail: string;
}

/** Below this a chunk or two may fill the disk. */
const leastDiskBytes = 2 << 30;

export const doctor: Command = {
  name: 'doctor',
  synopsis: '[--ready]',
  help: 'Checks what is needed on this computer (Redis server, core, disk) and, where a server is named or `millrace dev` runs, what that says of itself: Redis, store, core, clock. Silent when all is well.',
  flags: {
    ready: { type: 'boolean', help: 'only whether the server is ready: for checks of containers' },
    verbose: { type: 'boolean', short: 'v', help: 'also what is well' },
    ...serverFlags,
  },
  reads: () => true,
  run: async (call) => {
    const checks = isSet(call.flags, 'ready') ? await serverChecks(call, true) : [...(await localChecks()), ...(await serverChecks(call, false))];
    for (const check of checks) call.output.document(check);
    for (const { name, ok, detail } of checks) if (!ok || isSet(call.flags, 'verbose')) call.output.line(`${ok ? 'ok    ' : 'FAILED'}  ${name}: ${detail}`);
    return checks.every(({ ok }) => ok) ? exitCodes.done : exitCodes.failed;
  },
};

async function localChecks(): Promise<Check[]> {
  return [redisServer(), await core(), disk()];
}

function redisServer(): Check {
  const found = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  const version = /v=(\d+)\.([\d.]+)/.exec(found.stdout ?? '');
  if (version === null)
    return { name: 'redis-server', ok: false, detail: 'not on PATH; `run` and `dev` need it: apt-get install redis-server, or brew install redis' };
  const ok = Number(version[1]) >= 7;
  return { name: 'redis-server', ok, detail: `version ${version[1]}.${version[2]}${ok ? '' : '; 7 or later is needed'}` };
}

async function core(): Promise<Check> {
  const scratchDir = mkdtempSync(join(tmpdir(), 'millrace-doctor-'));
  try {
    const connections = Connections.none;
    const hello = {
      hostVersion: '0.1.0',
      slot: 0,
      memoryBytes: 256 << 20,
      scratchBytes: 0,
      scratchDir,
      readRoots: [],
      writeRoots: [],
      connections: [],
      httpAllow: [],
      ports: [],
      sandbox: 'bestEffort',
      logLevel: 'error',
    } as const;
    const process = await startCore({ binary: coreBinary(), hello, connections, log: silentLog });
    const { coreVersion, resultVersion, sandbox, sandboxMissing } = process.hello;
    await process.stop();
    const missing = sandboxMissing.length === 0 ? '' : ` (without ${sandboxMissing.join(', ')}: services with MILLRACE_SANDBOX=required refuse to start here)`;
    return { name: 'core', ok: true, detail: `version ${coreVersion}, result version ${resultVersion}, sandbox ${sandbox}${missing}` };
  } catch (error) {
    return { name: 'core', ok: false, detail: `${error instanceof Error ? error.message : String(error)}; \`npm run setup\` builds it` };
  } finally {
    rmSync(scratchDir, { recursive: true, force: true });
  }
}

function disk(): Check {
  const { bavail, bsize } = statfsSync(tmpdir());
  const free = Number(bavail) * Number(bsize);
  return {
    name: 'disk',
    ok: free >= leastDiskBytes,
    detail: `${size(free)} free in ${tmpdir()}${free >= leastDiskBytes ? '' : '; cores spill there: make room, or set TMPDIR'}`,
  };
}

/** What a server says of itself; nothing where none is named, unless it must be ready. */
async function serverChecks(call: CommandCall, mustBe: boolean): Promise<Check[]> {
  try {
    if (serverAddress(textFlag(call.flags, 'url')) === null && !mustBe) return [];
    return await withServer(call, async ({ server, client }) => {
      const { checks } = await client.call('GET /status', {});
      return [{ name: 'server', ok: true, detail: server.url }, ...checks];
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return [{ name: 'server', ok: false, detail: `${error.message}${error.hint === null ? '' : ` ${error.hint}`}` }];
  }
}
