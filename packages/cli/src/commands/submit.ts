/** `millrace submit SPEC`: a job on a server; a spec with `schedule` becomes or updates that schedule. */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Command, type CommandCall, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { writtenSpec } from '../run-spec.ts';
import { followServerJob } from '../server/follow-server-job.ts';
import { type Session, serverFlags, timeoutOf, withServer } from '../server/server-call.ts';

export const submit: Command = {
  name: 'submit',
  synopsis: 'SPEC.yaml [--param k=v]… [--key KEY] [--label k=v]… [--set PATH=VALUE]… [--ack journal|queue] [--wait]',
  help: 'Submits a job to a server. The same key with the same spec is the same job, however often it is sent. A spec with `schedule` becomes that schedule.',
  flags: {
    param: { type: 'string', value: 'K=V', multiple: true, help: 'a parameter of the spec; JSON values keep their type' },
    key: { type: 'string', value: 'KEY', help: 'idempotency key; a new one each time when not given' },
    label: { type: 'string', value: 'K=V', multiple: true, help: 'a label of the job' },
    set: { type: 'string', value: 'PATH=VALUE', multiple: true, help: 'any other place of the spec' },
    ack: { type: 'string', value: 'WHEN', help: 'journal: when the job is durable (default); queue: when the server has the request' },
    wait: { type: 'boolean', help: 'follow it to its end; the exit code says how it ended' },
    ...serverFlags,
  },
  run: async (call) => {
    const ack = textFlag(call.flags, 'ack') ?? 'journal';
    if (ack !== 'journal' && ack !== 'queue') throw new CommandError(exitCodes.usage, `expected journal or queue for --ack, got ${JSON.stringify(ack)}`);
    const timeoutMs = timeoutOf(call);
    const { spec, baseDirectory } = writtenSpec(call);
    const labels = assignments(call, 'label', (text) => text);
    const whole = absolute({ ...spec, ...(labels === null ? {} : { labels: { ...(spec['labels'] as object | undefined), ...labels } }) }, baseDirectory);
    return withServer(
      call,
      (session) => ('schedule' in whole && whole['schedule'] !== null ? putSchedule(call, whole, session) : submitJob(call, whole, ack, timeoutMs, session)),
      { follows: isSet(call.flags, 'wait') },
    );
  },
};

async function submitJob(
  call: CommandCall,
  spec: Record<string, unknown>,
  ack: 'journal' | 'queue',
  timeoutMs: number | null,
  { server, client }: Session,
): Promise<ExitCode> {
  const params = paramsOf(call);
  const idempotencyKey = textFlag(call.flags, 'key') ?? `cli-${randomUUID()}`;
  const { jobId, replayed, state } = await client.call(
    'POST /jobs',
    { body: { spec, ack, ...(params === null ? {} : { params: params as never }) } },
    { idempotencyKey },
  );
  call.output.document({ type: 'submitted', jobId, replayed });
  call.output.line(`${replayed ? 'Known already' : 'Submitted'} ${jobId}  ${String(spec['name'])}  ${state}      ${server.url}/jobs/${jobId}`);
  if (isSet(call.flags, 'wait')) return followServerJob(call, client, jobId, { timeoutMs });
  call.output.line(`Follow it: millrace watch ${jobId}`);
  return exitCodes.done;
}

async function putSchedule(call: CommandCall, spec: Record<string, unknown>, { server, client }: Session): Promise<ExitCode> {
  const name = String(spec['name']);
  const standing = await client.reply('GET /schedules/{name}', { params: { name } }).catch((error: { status?: number }) => {
    if (error.status === 404) return null;
    throw error;
  });
  const schedule = await client.call('PUT /schedules/{name}', { params: { name }, body: { spec } }, standing?.etag == null ? {} : { ifMatch: standing.etag });
  call.output.document({ type: 'schedule', schedule });
  call.output.line(`${standing === null ? 'New schedule' : 'Changed schedule'} ${name}      ${server.url}/schedules`);
  return exitCodes.done;
}

/** Places that the spec names relative to itself; a server does not know where it lies. */
export function absolute(spec: Record<string, unknown>, base: string): Record<string, unknown> {
  const place = (uri: unknown): unknown => {
    if (Array.isArray(uri)) return uri.map(place);
    if (typeof uri !== 'string' || /^[a-z][a-z0-9+.-]*:\/\//i.test(uri)) return uri;
    const isFolder = uri.endsWith('/');
    // A glob keeps its characters: only what a URL would misread is escaped.
    return `${pathToFileURL(resolve(base, uri)).href.replaceAll('%7B', '{').replaceAll('%7D', '}').replaceAll('%5B', '[').replaceAll('%5D', ']')}${isFolder ? '/' : ''}`;
  };
  const inputs = [spec['inputs']].flat().map((one) => {
    if (typeof one !== 'object' || one === null) return place(one);
    const input = one as Record<string, unknown>;
    return { ...input, ...('uri' in input ? { uri: place(input['uri']) } : {}), ...('list' in input ? { list: place(input['list']) } : {}) };
  });
  const output = spec['output'];
  const isPlaced = typeof output === 'object' && output !== null && 'uri' in output;
  return {
    ...spec,
    inputs: inputs.length === 1 ? inputs[0] : inputs,
    ...(isPlaced ? { output: { ...output, uri: place((output as { uri: unknown }).uri) } } : {}),
  };
}

/** Of `--param`. */
export const paramsOf = (call: CommandCall): Record<string, unknown> | null => assignments(call, 'param', jsonOrText);

function assignments<T>(call: CommandCall, name: string, read: (text: string) => T): Record<string, T> | null {
  const written = call.flags[name];
  if (!Array.isArray(written)) return null;
  return Object.fromEntries(
    written.map((one) => {
      const text = String(one);
      const at = text.indexOf('=');
      if (at < 1) throw new CommandError(exitCodes.usage, `expected NAME=VALUE for --${name}, got ${JSON.stringify(text)}`);
      return [text.slice(0, at), read(text.slice(at + 1))];
    }),
  );
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
