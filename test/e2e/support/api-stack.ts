/**
 * Redis, a scheduler, worker hosts and the API over one directory, for tests that talk HTTP and for who wants a server with data to look at. The API runs in
 * this process, checks its own answers against their schemas, and lets an admin in by a token of the test.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { corePath } from '@millrace/core-client';
import { silentLog } from '@millrace/service-kit';
import { type RunningApi, startApi } from '../../../packages/api/src/start-api.ts';
import { type Client, createClient } from '../../../packages/api-contract/src/client.ts';
import { type LocalStack, type LocalStackOptions, startLocalStack } from '../../../packages/cli/src/local-stack.ts';
import { patient } from './workbench.ts';

export interface ApiStackOptions {
  /** The output place; its journal lies below. */
  readonly out: string;
  readonly readRoots: readonly string[];
  /** Slots of each worker host; one host with one slot when not given. */
  readonly hostSlots?: readonly number[];
  readonly timeScale?: number;
  readonly port?: number;
  readonly environment?: string;
  readonly dashboard?: string | null;
  /** More settings of the API. */
  readonly api?: Partial<Parameters<typeof startApi>[0]>;
  readonly stack?: Partial<LocalStackOptions>;
}

export interface ApiStack {
  readonly url: string;
  /** An admin's. */
  readonly token: string;
  /** With that token. */
  readonly client: Client;
  readonly stack: LocalStack;
  readonly running: RunningApi;
  /** What the API was started with. */
  readonly options: Parameters<typeof startApi>[0];
  stop(): Promise<void>;
}

export const newToken = (): string => `mrt_${randomBytes(32).toString('base64url')}`;

export async function startApiStack(options: ApiStackOptions): Promise<ApiStack> {
  const { out, readRoots, hostSlots = [1], timeScale = 0.1 } = options;
  mkdirSync(out, { recursive: true });
  const stack = patient(await startLocalStack({ directory: out, readRoots, writeRoots: [out], hostSlots, timeScale, logFile: `${out}.log`, ...options.stack }));
  const token = newToken();
  const scratch = `${out}.api-scratch`;
  mkdirSync(scratch, { recursive: true });
  try {
    const settings = {
      redis: stack.redisUrl,
      journal: pathToFileURL(join(out, '_journal')).href,
      core: process.env['MILLRACE_CORE'] ?? corePath(),
      host: '127.0.0.1',
      port: options.port ?? 0,
      environment: options.environment ?? 'test',
      requestsPerMinute: 1_000_000,
      devToken: token,
      dashboard: options.dashboard ?? null,
      timeScale,
      readRoots,
      writeRoots: [out],
      scratch,
      version: '0.0.0-test',
      checkAnswers: true,
      log: silentLog,
      ...options.api,
    };
    const running = await startApi(settings);
    const stop = async (): Promise<void> => {
      await running.stop();
      await stack.stop();
    };
    return { url: running.url, token, client: createClient({ baseUrl: running.url, token }), stack, running, options: settings, stop };
  } catch (error) {
    await stack.stop();
    throw error;
  }
}
