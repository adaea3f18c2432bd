/** Things as people name them to a server: a job by its id or `@last`; what belongs to a job with or without the job in front. Pure but for asking which job is the newest. */
import type { Client } from '@millrace/api-contract/client';
import { isJobId } from '@millrace/protocol';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

export const isJobRef = (text: string | undefined): text is string => text === '@last' || (text !== undefined && isJobId(text));

/** Without a reference the newest one. Throws when there is no job at all. */
export async function jobIdOf(ref: string | undefined, client: Client): Promise<string> {
  if (ref !== undefined && isJobId(ref)) return ref;
  if (ref !== undefined && ref !== '@last') {
    throw new CommandError(exitCodes.usage, `expected a job id or @last, got ${JSON.stringify(ref)}`, 'See `millrace ls`.');
  }
  const [newest] = (await client.call('GET /jobs', { query: { limit: 1 } })).data;
  if (newest === undefined) throw new CommandError(exitCodes.notFound, 'the server has no job yet', 'Submit one: millrace submit SPEC.yaml');
  return newest.jobId;
}

/** The job that may stand first, and the terms of a filter behind it. */
export function splitRef(args: readonly string[]): { readonly ref: string | undefined; readonly terms: readonly string[] } {
  const [first, ...rest] = args;
  return isJobRef(first) ? { ref: first, terms: rest } : { ref: undefined, terms: args };
}

/** A part of a job: `clean.227`, `<jobId>.clean.227`, with more behind it where `tail` allows it. */
export interface PartRef {
  /** Null: it stands before, or the newest job is meant. */
  readonly job: string | null;
  readonly stage: string;
  readonly index: number;
  /** What stands behind the chunk: the generation of a dead letter, `r1` of a reject. */
  readonly tail: string | null;
}

/** Null: it is no such name. */
export function parsePart(text: string | undefined): PartRef | null {
  const match = /^(?:(j[0-9a-hjkmnp-tv-z]{26})\.)?([a-z][a-z0-9]{0,31})\.(\d{1,10})(?:\.(r?[1-9]\d{0,9}))?$/.exec(text ?? '');
  if (match === null) return null;
  return { job: match[1] ?? null, stage: match[2] ?? '', index: Number(match[3]), tail: match[4] ?? null };
}

/** Terms of a filter, with a job and names of chunks among them as people write them. */
export function filterOf(terms: readonly string[]): string {
  return terms.map((term) => (isJobId(term) ? `job:${term}` : parsePart(term) === null ? term : `id:${term}`)).join(' ');
}

/** As `filterOf`, with `@last` looked up. */
export async function serverFilter(terms: readonly string[], client: Client): Promise<string> {
  const known = await Promise.all(terms.map((term) => (term === '@last' ? jobIdOf(term, client) : term)));
  return filterOf(known);
}
