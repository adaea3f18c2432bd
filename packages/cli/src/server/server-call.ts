/** A command that talks to a server: which one, with what token, and what its problems mean at a terminal. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type Client, createClient, UnreachableError } from '@millrace/api-contract/client';
import { parseDuration } from '@millrace/protocol';
import { type CommandCall, type Flag, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { neededServer, type ServerAddress } from '../server-address.ts';

/** Flags of every command that may talk to a server. */
export const serverFlags: Readonly<Record<string, Flag>> = {
  url: { type: 'string', value: 'URL', help: 'the server (MILLRACE_URL, else a `millrace dev` on this computer)' },
  timeout: { type: 'string', value: 'TIME', help: 'give up after so long, such as 30s; what the server has begun goes on' },
};

/** Of commands that can show what stood in records. */
export const contentFlag: Readonly<Record<string, Flag>> = {
  content: { type: 'boolean', help: 'of a server: also values and bytes of records, for stewards; that is recorded' },
};

export interface Session {
  readonly server: ServerAddress;
  readonly client: Client;
  /** Of `--timeout`, for what is followed; null: no limit. */
  readonly timeoutMs: number | null;
}

export interface ServerCallOptions {
  /** It follows something, and ends by itself when `--timeout` is over. */
  readonly follows?: boolean;
}

/** Runs `act` with a client; what the server refuses becomes a `CommandError` with its exit code. Ctrl-C ends a call that is under way. */
export async function withServer<T>(call: CommandCall, act: (session: Session) => Promise<T>, { follows = false }: ServerCallOptions = {}): Promise<T> {
  const server = neededServer(textFlag(call.flags, 'url'));
  const timeoutMs = timeoutOf(call);
  const late = AbortSignal.timeout(follows || timeoutMs === null ? longestMs : timeoutMs);
  // Who follows looks at Ctrl-C between two calls, and has something to say about it.
  const ended = follows ? late : AbortSignal.any([call.signal, late]);
  const fetchUntil: typeof fetch = (input, init) => fetch(input, { ...init, signal: ended });
  const client = createClient({ baseUrl: server.url, token: server.token, fetch: fetchUntil });
  try {
    return await act({ server, client: patient(client, call, ended), timeoutMs });
  } catch (error) {
    if (late.aborted) throw new CommandError(exitCodes.timedOut, `${server.url} has not answered within ${(timeoutMs ?? longestMs) / 1_000} s`);
    if (ended.aborted && !(error instanceof CommandError)) throw new CommandError(exitCodes.interrupted, 'interrupted');
    throw asCommandError(error, server);
  }
}

/** Timers hold no more. */
const longestMs = 2 ** 31 - 1;

/** Of `--timeout`. */
export function timeoutOf(call: CommandCall): number | null {
  const text = textFlag(call.flags, 'timeout');
  if (text === undefined) return null;
  const ms = parseDuration(text);
  if (ms === null || ms <= 0 || ms > longestMs) {
    throw new CommandError(exitCodes.usage, `expected a time such as 30s or 10m for --timeout, got ${JSON.stringify(text)}`);
  }
  return ms;
}

const rebuildingPatienceMs = 30_000;
const rebuildingPauseMs = 500;

/** A server that reads its journal after a start answers soon; nothing was done yet, so the same call is made again. */
function patient(client: Client, call: CommandCall, ended: AbortSignal): Client {
  const again = async <T>(ask: () => Promise<T>): Promise<T> => {
    for (const begunMs = performance.now(); ; ) {
      try {
        return await ask();
      } catch (error) {
        const isSoon = error instanceof ApiError && error.code === 'REBUILDING' && performance.now() - begunMs < rebuildingPatienceMs;
        if (!isSoon) throw error;
        call.output.progress({ line: '  the server reads its journal …', state: 'rebuilding', document: { type: 'waiting', code: error.code } });
        await sleep(rebuildingPauseMs, undefined, { signal: ended });
      }
    }
  };
  return {
    call: (...args) => again(() => client.call(...args)),
    reply: (...args) => again(() => client.reply(...args)),
    raw: (...args) => again(() => client.raw(...args)),
    url: (...args) => client.url(...args),
  };
}

function asCommandError(error: unknown, server: ServerAddress): unknown {
  if (error instanceof UnreachableError) {
    const why = reasonOf(error);
    return new CommandError(exitCodes.unavailable, `cannot reach ${server.url}: ${why}`, 'Start a server with `millrace dev`, or point MILLRACE_URL at one.', {
      code: error.code,
    });
  }
  if (isBrokenOff(error))
    return new CommandError(exitCodes.unavailable, `${server.url} broke off its answer`, 'Try again; `millrace doctor` says how the server is.');
  if (!(error instanceof ApiError)) return error;
  const { problem } = error;
  const told = (problem.errors ?? []).filter(({ message }) => message !== problem.detail);
  const issues = told.map(({ pointer, message, suggestion }) => `${pointer}: ${message}${suggestion == null ? '' : ` (did you mean ${suggestion}?)`}`);
  const message = [problem.detail, ...issues].join('\n  ');
  return new CommandError(exitOf(error), message, hintOf(error), { ...problem });
}

/** Node says why a connection failed in the cause of the cause. */
function reasonOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  const inner = cause.cause instanceof Error ? cause.cause : cause;
  const { code } = inner as NodeJS.ErrnoException;
  return code === 'ECONNREFUSED' ? 'connection refused' : inner.message;
}

/** The connection ended in the middle of a body. */
const isBrokenOff = (error: unknown): boolean => error instanceof TypeError && error.cause instanceof Error && 'code' in error.cause;

function exitOf({ status, code }: ApiError): ExitCode {
  if (code === 'JOB_FAILED' || code === 'JOB_CANCELLED') return exitCodes.jobFailed;
  if (status === 401 || status === 403) return exitCodes.notAllowed;
  if (status === 404) return exitCodes.notFound;
  if (status === 409 || status === 410 || status === 412) return exitCodes.conflict;
  if (status === 429 || status === 503) return exitCodes.unavailable;
  return code === 'KEY_CONFLICT' ? exitCodes.conflict : status >= 400 && status < 500 ? exitCodes.usage : exitCodes.failed;
}

const hints: Readonly<Record<string, string>> = {
  AUTH_REQUIRED: 'An admin makes tokens (`millrace api POST /tokens`); give yours in MILLRACE_TOKEN or in the file that MILLRACE_TOKEN_FILE names.',
  AUTH_FORBIDDEN: '`millrace api GET /me` says what your token may; an admin makes others.',
  AUTH_STALE: 'This asks for a token made within the last 10 minutes: an admin makes one (`millrace api POST /tokens`).',
  PLAN_EXPIRED: 'A plan lives for 15 minutes: plan again.',
  PLAN_USED: 'A plan starts once: `millrace ops` shows what became of it; plan again for what is still open.',
  PLAN_EMPTY: 'Nothing was started.',
  FILTER_EMPTY: 'Nothing was started. What there is: `millrace dead ls`.',
  ETAG_MISMATCH: 'Somebody else has changed it meanwhile: look again.',
  REASON_REQUIRED: 'Add --reason TEXT.',
  REBUILDING: 'The server reads its journal: try again in a minute.',
  KEY_CONFLICT: 'Another spec was submitted with this key: take another --key.',
  REQUEST_INVALID: '',
  FILTER_INVALID: '',
  NOT_FOUND: '',
};

function hintOf({ status, code, problem, retryAfterSeconds }: ApiError): string | null {
  const own = hints[code];
  if (own !== undefined) return own === '' ? null : own;
  if (retryAfterSeconds !== null) return `Try again in ${retryAfterSeconds} s.`;
  if (status >= 500) return `The log of the server knows more: request ${problem.requestId}.`;
  return `millrace explain ${code}`;
}
