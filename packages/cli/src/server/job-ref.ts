/** A job as people name it to a server: its id, or `@last`. Anything else names a directory that `run` wrote. */
import type { Client } from '@millrace/api-contract/client';
import { isJobId } from '@millrace/protocol';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export const isJobRef = (text: string | undefined): text is string => text === '@last' || (text !== undefined && isJobId(text));

/** Throws when there is no job at all. */
export async function jobIdOf(ref: string | undefined, client: Client): Promise<string> {
  if (ref !== undefined && isJobId(ref)) return ref;
  if (ref !== undefined && ref !== '@last') {
    throw new CommandError(exitCodes.usage, `expected a job id or @last, got ${JSON.stringify(ref)}`, 'See `millrace ls`.');
  }
  const [newest] = (await client.call('GET /jobs', { query: { limit: 1 } })).data;
  if (newest === undefined) throw new CommandError(exitCodes.notFound, 'the server has no job yet', 'Submit one: millrace submit SPEC.yaml');
  return newest.jobId;
}
