/**
 * Which chunks of a job a filter holds for, page by page. Terms over what a plan says are judged without a record of the journal; the loop gives way to others
 * every few thousand chunks.
 */
import { type ChunkState, type Filter, type FilterItem, matchesFilter, wordsField } from '@millrace/protocol';

import { inTurns } from './in-turns.ts';
import type { PlanIndex } from './plan-index.ts';
import type { ChunkStates } from './strip.ts';

/** What is known of a chunk that failed or runs. */
export interface ChunkTrouble {
  readonly code: string | null;
  readonly class: string | null;
  readonly fingerprint: string | null;
  readonly worker: string | null;
  readonly message: string | null;
  readonly attempts: number | null;
}

export interface ChunkListOptions {
  readonly jobId: string;
  readonly filter: Filter;
  /** The page begins behind this chunk. */
  readonly after: number | null;
  readonly limit: number;
  readonly states: ChunkStates;
  troubleOf(chunk: number): ChunkTrouble | null;
  readonly nowMs: number;
}

export interface ChunkPage {
  readonly chunks: readonly number[];
  /** Of all pages. */
  readonly total: number;
  /** There are others behind the last of this page. */
  readonly more: boolean;
}

export async function listChunks(index: PlanIndex, options: ChunkListOptions): Promise<ChunkPage> {
  const { filter, limit, after } = options;
  const tests = filter.terms.map((term) => testOf(term, index, options));
  const chunks: number[] = [];
  let [total, more] = [0, false];
  await inTurns(index.size, (chunk) => {
    if (!index.has(chunk) || !tests.every((test) => test(chunk))) return;
    total += 1;
    if (after !== null && chunk <= after) return;
    if (chunks.length < limit) chunks.push(chunk);
    else more = true;
  });
  return { chunks, total, more };
}

type Term = Filter['terms'][number];
type Test = (chunk: number) => boolean;

function testOf(term: Term, index: PlanIndex, options: ChunkListOptions): Test {
  const { states, nowMs } = options;
  const holds = (item: FilterItem): boolean => matchesFilter({ terms: [term], text: '' }, item, nowMs);
  switch (term.field) {
    case 'state':
      return once(
        (chunk): ChunkState => states.stateOf(chunk),
        (state) => holds({ state }),
      );
    case 'stage':
    case 'generation':
      return once(
        (chunk) => index.segmentOf(chunk),
        (segment) => holds({ stage: index.segments[segment]?.stage, generation: index.segments[segment]?.generation }),
      );
    case 'file':
      return fileTest(index, holds);
    case 'offset':
      return (chunk) => holds({ offset: { start: index.startOf(chunk), end: index.endOf(chunk) } });
    case 'record':
      return (chunk) => {
        const place = index.at(chunk);
        return holds({ record: place?.record == null ? null : { start: place.record, end: place.record + Math.max(1, place.records ?? 1) } });
      };
    case 'records':
      return (chunk) => holds({ records: index.at(chunk)?.records });
    case 'bytes':
      return (chunk) => holds({ bytes: index.at(chunk)?.bytes });
    case 'rejects':
      return (chunk) => holds({ rejects: states.rejectsOf(chunk) });
    default:
      return (chunk) => holds(troubleItem(chunk, index, options));
  }
}

/** Judges each different value once: there are few of them, and very many chunks. */
function once<Value>(valueAt: (chunk: number) => Value, judge: (value: Value) => boolean): Test {
  const judged = new Map<Value, boolean>();
  return (chunk) => {
    const value = valueAt(chunk);
    const known = judged.get(value);
    if (known !== undefined) return known;
    const is = judge(value);
    judged.set(value, is);
    return is;
  };
}

function fileTest(index: PlanIndex, holds: (item: FilterItem) => boolean): Test {
  const named = (uris: readonly string[]): boolean => holds({ file: uris.flatMap((uri) => [uri, uri.slice(uri.lastIndexOf('/') + 1)]) });
  const byFile = once(
    (key: number) => key,
    (file) => named([index.files.get(file)?.uri ?? '']),
  );
  const byObject = once(
    (chunk) => index.objectOf(chunk),
    (uri) => (uri === null ? holds({}) : named([uri])),
  );
  return (chunk) => {
    const place = index.at(chunk);
    if (place === null || place.file === null) return byObject(chunk);
    if (place.files === 1) return byFile(place.file);
    const { first, last } = index.filesOf(chunk) ?? { first: place.file, last: place.file };
    const files = Array.from({ length: last - first + 1 }, (_, at) => first + at).filter((file) => index.reads(chunk, file));
    return named(files.map((file) => index.files.get(file)?.uri ?? ''));
  };
}

function troubleItem(chunk: number, index: PlanIndex, { jobId, troubleOf }: ChunkListOptions): FilterItem {
  const stage = index.segments[index.segmentOf(chunk)]?.stage ?? '';
  const trouble = troubleOf(chunk);
  const [id, short] = [`${jobId}.${stage}.${chunk}`, `${stage}.${chunk}`];
  const words = [id, trouble?.code ?? '', trouble?.message ?? ''];
  return {
    id: [id, short, String(chunk)],
    code: trouble?.code,
    class: trouble?.class,
    fingerprint: trouble?.fingerprint,
    worker: trouble?.worker,
    attempts: trouble?.attempts,
    [wordsField]: words,
  };
}
