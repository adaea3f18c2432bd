/** Redis, scheduler and worker hosts for one directory, started and stopped as one. Nothing of it is left behind, however this process ends. */

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { connect, type Producer, UnavailableError } from '@millrace/producer';
import { CommandError } from './command-error.ts';
import { type LocalApi, type RoleProcess, type Stack, startStack } from './compose.ts';
import { coreBinary, journalDirectory } from './directory.ts';
import { exitCodes } from './exit-codes.ts';
import { localConnections } from './local-connections.ts';
import { startLocalRedis } from './local-redis.ts';
import { isRemote, journalUriOf } from './output-place.ts';
import { announceStack, withdrawStack } from './running-stack.ts';

export interface LocalStackOptions {
  /** The output place, a path or the URI of a folder in a bucket; its journal lies below. */
  readonly directory: string;
  readonly readRoots: readonly string[];
  readonly writeRoots: readonly string[];
  /** Slots of each worker host that is started. */
  readonly hostSlots: readonly number[];
  readonly timeScale?: number;
  /** Keeps what the roles log. */
  readonly logFile?: string | null;
  /** One that runs already, instead of a private one. */
  readonly redisUrl?: string | undefined;
  /** Every URI that is read or written, for the connections they need. */
  readonly uris?: readonly string[];
  /** The HTTP API beside it, on this port of this computer, with this admin's token. */
  readonly api?: LocalApi;
}

export interface LocalStack {
  readonly producer: Producer;
  readonly stack: Stack;
  readonly redisUrl: string;
  /** Rejects when a role ends by itself before `stop`. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

const CORE_BYTES = 1 << 30;

export async function startLocalStack(options: LocalStackOptions): Promise<LocalStack> {
  const binary = coreBinary();
  if (!isRemote(options.directory)) claimDirectory(options.directory);
  const stores = localConnections(options.uris ?? [options.directory]);
  const redis = options.redisUrl === undefined ? await startLocalRedis() : null;
  const redisUrl = options.redisUrl ?? (redis as { url: string }).url;
  const scratch = redis?.directory ?? (isRemote(options.directory) ? mkdtempSync(join(tmpdir(), 'millrace-run-')) : journalDirectory(options.directory));
  const stack = startStack({
    redisUrl,
    journalUri: journalUriOf(options.directory),
    connections: stores.environment(scratch),
    scratchDirectory: scratch,
    readRoots: options.readRoots,
    writeRoots: options.writeRoots,
    coreBinary: binary,
    hostSlots: options.hostSlots,
    timeScale: options.timeScale ?? 1,
    logFile: options.logFile ?? null,
    ...(options.api === undefined ? {} : { api: options.api }),
  });
  let stopping = false;
  const failed = Promise.race(stack.roles.map((role) => earlyEnd(role, () => stopping)));
  failed.catch(() => {});
  const stop = async (producer: Producer | null): Promise<void> => {
    stopping = true;
    if (!isRemote(options.directory)) withdrawStack(options.directory);
    await producer?.close().catch(() => {});
    await stack.stop();
    await redis?.stop();
    if (redis === null && isRemote(options.directory)) rmSync(scratch, { recursive: true, force: true });
  };
  try {
    const producer = await Promise.race([connect({ redis: redisUrl }), failed]);
    if (!isRemote(options.directory)) announceStack(options.directory, redisUrl);
    return { producer, stack, redisUrl, failed, stop: () => stop(producer) };
  } catch (error) {
    await stop(null);
    throw error instanceof UnavailableError ? new CommandError(exitCodes.unavailable, error.message, null, { code: error.code }) : error;
  }
}

/** The output directory must be there and take files before anything is started. */
function claimDirectory(directory: string): void {
  const probe = join(journalDirectory(directory), `.probe-${process.pid}`);
  try {
    makeDirectory(journalDirectory(directory));
    writeFileSync(probe, '');
    appendFileSync(probe, 'x');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOSPC' ? 'the disk is full' : message;
    throw new CommandError(
      code === 'EACCES' || code === 'EROFS' ? exitCodes.notAllowed : exitCodes.failed,
      `cannot write to ${directory}: ${why}`,
      'Name another directory with --out.',
    );
  } finally {
    removeQuietly(probe);
  }
}

/** Each step by itself: Node's recursive mkdir goes round for ever where a file system refuses with ENOENT, as /proc does. */
function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It was never there, or the directory cannot be written to: nothing to remove.
  }
}

/** A role that ends by itself takes the run with it; its last words say why. */
async function earlyEnd(role: RoleProcess, isStopping: () => boolean): Promise<never> {
  const { code, signal } = await role.ended;
  if (isStopping() || role.isKilled) return new Promise<never>(() => {});
  const last = role.tail.slice(-3).map(lastWords).join('\n  ');
  throw new CommandError(exitCodes.failed, `the ${role.role} ended (${signal ?? `exit code ${code}`})`, last === '' ? null : last);
}

function lastWords(line: string): string {
  try {
    const { msg, err, problems = [] } = JSON.parse(line) as { msg?: string; err?: { message?: string }; problems?: string[] };
    return [msg, err?.message, ...problems].filter((text) => text !== undefined).join(': ');
  } catch {
    return line;
  }
}

/** Slots when nothing is said: cores, fewer where memory would not hold one and a half times the core's for each. */
export function defaultSlots(coreMemory = CORE_BYTES): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / (1.5 * coreMemory))));
}
