/** A command that talks to a server: which one, with what token, and what its problems mean at a terminal. */
import { ApiError, type Client, createClient, UnreachableError } from '@millrace/api-contract/client';
import { type CommandCall, type Flag, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { neededServer, type ServerAddress } from '../server-address.ts';

/** Flags of every command that may talk to a server. */
export const serverFlags: Readonly<Record<string, Flag>> = {
  url: { type: 'string', value: 'URL', help: 'the server (MILLRACE_URL, else a `millrace dev` on this computer)' },
};

export interface Session {
  readonly server: ServerAddress;
  readonly client: Client;
}

/** Runs `act` with a client; what the server refuses becomes a `CommandError` with its exit code. */
export async function withServer<T>(call: CommandCall, act: (session: Session) => Promise<T>): Promise<T> {
  const server = neededServer(textFlag(call.flags, 'url'));
  const client = createClient({ baseUrl: server.url, token: server.token });
  try {
    return await act({ server, client });
  } catch (error) {
    throw asCommandError(error, server);
  }
}

function asCommandError(error: unknown, server: ServerAddress): unknown {
  if (error instanceof UnreachableError) {
    const why = reasonOf(error);
    return new CommandError(exitCodes.unavailable, `cannot reach ${server.url}: ${why}`, 'Start a server with `millrace dev`, or point MILLRACE_URL at one.', {
      code: error.code,
    });
  }
  if (!(error instanceof ApiError)) return error;
  const { problem } = error;
  const issues = (problem.errors ?? []).map(
    ({ pointer, message, suggestion }) => `${pointer}: ${message}${suggestion == null ? '' : ` (did you mean ${suggestion}?)`}`,
  );
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

function exitOf({ status, code }: ApiError): ExitCode {
  if (code === 'JOB_FAILED' || code === 'JOB_CANCELLED') return exitCodes.jobFailed;
  if (status === 401 || status === 403) return exitCodes.notAllowed;
  if (status === 404) return exitCodes.notFound;
  if (status === 409 || status === 410 || status === 412) return exitCodes.conflict;
  if (status === 429 || status === 503) return exitCodes.unavailable;
  return code === 'KEY_CONFLICT' ? exitCodes.conflict : status >= 400 && status < 500 ? exitCodes.usage : exitCodes.failed;
}

function hintOf({ status, code, problem }: ApiError): string | null {
  if (status === 401) return 'An admin makes tokens (`millrace api POST /tokens`); give yours in MILLRACE_TOKEN or in the file that MILLRACE_TOKEN_FILE names.';
  if (status >= 500) return `The server's log knows more: request ${problem.requestId}.`;
  return `millrace explain ${code}`;
}
