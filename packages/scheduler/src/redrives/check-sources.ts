/** Whether what dead letters would read is still there, at the version that the job has pinned. Each file is looked at once. */
import type { JobId } from '@millrace/protocol';
import type { Control } from '../control.ts';
import { inSteps } from '../in-steps.ts';
import { fileAt } from '../stored-inputs.ts';
import type { FoundLetter } from './find-letters.ts';

export interface CheckedSources {
  /** Id of a letter → why it cannot be redriven. */
  readonly cannot: ReadonlyMap<string, string>;
  /** Files at which the store did not answer: nothing is known of them. */
  readonly unknown: number;
}

interface Source {
  readonly jobId: JobId;
  readonly uri: string;
  readonly etag: string | null;
  readonly ids: string[];
}

export async function checkSources(letters: readonly FoundLetter[], control: Control): Promise<CheckedSources> {
  const sources = sourcesOf(letters);
  const cannot = new Map<string, string>();
  let unknown = 0;
  await inSteps(sources, async (source) => {
    const reason = await whyNot(source, control);
    if (reason === 'unknown') unknown++;
    else if (reason !== null) for (const id of source.ids) cannot.set(id, reason);
  });
  return { cannot, unknown };
}

/** Many letters are of few files: those are told apart without a name made for each letter. */
function sourcesOf(letters: readonly FoundLetter[]): Source[] {
  const byUri = new Map<string, Source[]>();
  for (const { jobId, id, letter } of letters) {
    const { range } = letter;
    if (range === null) continue;
    const ofUri = byUri.get(range.uri) ?? [];
    const known = ofUri.find((source) => source.jobId === jobId && source.etag === range.etag);
    if (known !== undefined) {
      known.ids.push(id);
      continue;
    }
    // Partitions and inline payloads lie in the journal, which keeps them as long as something may be redriven.
    if (!/^[a-z][a-z0-9+.-]*:\/\//.test(range.uri)) continue;
    byUri.set(range.uri, [...ofUri, { jobId, uri: range.uri, etag: range.etag, ids: [id] }]);
  }
  return [...byUri.values()].flat();
}

/** Null: it is as it was. */
async function whyNot(source: Source, control: Control): Promise<string | 'unknown' | null> {
  try {
    const { connection, etag } = await pinnedAt(source, control);
    const { etag: now } = await fileAt(source.uri, connection, control);
    return etag === null || now === etag ? null : 'INPUT_CHANGED';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'INTERNAL';
    return /^(INPUT_|SPEC_)|^STORAGE_FORBIDDEN$/.test(code) ? code : 'unknown';
  }
}

async function pinnedAt({ jobId, uri, etag }: Source, control: Control): Promise<{ connection: string | null; etag: string | null }> {
  const facts = await control.facts.spec(jobId, 1);
  const connections = new Set(facts?.spec.inputs.map((input) => input.connection ?? null));
  const [only = null] = connections;
  if (connections.size <= 1 && etag !== null) return { connection: only, etag };
  const file = [...(await control.facts.files(jobId)).values()].find((one) => one.uri === uri);
  return { connection: facts?.spec.inputs[file?.input ?? 0]?.connection ?? null, etag: etag ?? file?.etag ?? null };
}
