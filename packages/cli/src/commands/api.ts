/** `millrace api METHOD PATH [-d JSON]`: any route of a server, as it answers. */
import { readFileSync } from 'node:fs';
import { type Command, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { serverFlags } from '../server/server-call.ts';
import { neededServer } from '../server-address.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

export const api: Command = {
  name: 'api',
  synopsis: 'METHOD PATH [-d JSON|@FILE|@-] [--key KEY]',
  help: 'Calls the HTTP API and prints its answer: `millrace api GET /jobs?limit=1`. PATH begins behind /v1. /openapi.json says what there is.',
  flags: {
    data: { type: 'string', short: 'd', value: 'JSON', help: 'the body; @FILE reads it from a file, @- from stdin' },
    key: { type: 'string', value: 'KEY', help: 'idempotency key' },
    'if-match': { type: 'string', value: 'ETAG', help: 'the version that was looked at' },
    ...serverFlags,
  },
  run: async (call) => {
    const [method = '', path = '', ...rest] = call.args;
    if (!methods.includes(method.toUpperCase()))
      throw new CommandError(exitCodes.usage, `expected one of ${methods.join(', ')}, got ${JSON.stringify(method)}`);
    if (!path.startsWith('/') || rest.length > 0)
      throw new CommandError(exitCodes.usage, `expected a path such as /jobs, got ${JSON.stringify([path, ...rest].join(' '))}`);
    const server = neededServer(textFlag(call.flags, 'url'));
    const body = bodyOf(textFlag(call.flags, 'data'));
    const headers: Record<string, string> = { authorization: `Bearer ${server.token}`, accept: 'application/json' };
    if (method.toUpperCase() !== 'GET') headers['content-type'] = 'application/json';
    const [key, ifMatch] = [textFlag(call.flags, 'key'), textFlag(call.flags, 'if-match')];
    if (key !== undefined) headers['idempotency-key'] = key;
    if (ifMatch !== undefined) headers['if-match'] = ifMatch;
    const target = `${server.url}${path.startsWith('/v1/') ? '' : '/v1'}${path}`;
    const init = { method: method.toUpperCase(), headers, signal: call.signal, ...(method.toUpperCase() === 'GET' ? {} : { body: body ?? '{}' }) };
    const response = await fetch(target, init).catch((error: Error) => {
      throw new CommandError(
        exitCodes.unavailable,
        `cannot reach ${server.url}: ${error.cause instanceof Error ? error.cause.message : error.message}`,
        'Start a server with `millrace dev`, or point MILLRACE_URL at one.',
      );
    });
    const text = await response.text();
    // The answer is data, whoever reads it; what is wrong with it is told by the exit code.
    call.output.raw(text === '' || text.endsWith('\n') ? text : `${text}\n`);
    return exitOf(response.status);
  },
};

function bodyOf(written: string | undefined): string | undefined {
  const text = written === '@-' ? readFileSync(0, 'utf8') : written?.startsWith('@') ? readFileSync(written.slice(1), 'utf8') : written;
  if (text === undefined) return undefined;
  try {
    JSON.parse(text);
  } catch (error) {
    throw new CommandError(exitCodes.usage, `the body is no JSON: ${(error as Error).message}`);
  }
  return text;
}

function exitOf(status: number): ExitCode {
  if (status < 400) return exitCodes.done;
  if (status === 401 || status === 403) return exitCodes.notAllowed;
  if (status === 404) return exitCodes.notFound;
  if (status === 409 || status === 410 || status === 412) return exitCodes.conflict;
  if (status === 429 || status === 503) return exitCodes.unavailable;
  return status < 500 ? exitCodes.usage : exitCodes.failed;
}
