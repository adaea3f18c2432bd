/** What filters see of dead letters, error groups and operations: the fields of each, and the items they are matched as. Pure. */
import type { FilterFields, FilterItem } from './filter.ts';
import type { ChunkRange } from './record-shapes.ts';

export const letterFields = {
  id: 'text',
  job: 'text',
  name: 'text',
  state: 'text',
  code: 'text',
  class: 'text',
  fingerprint: 'text',
  stage: 'text',
  chunk: 'number',
  generation: 'number',
  file: 'text',
  offset: 'offset',
  worker: 'text',
  age: 'age',
  created: 'instant',
  attempts: 'number',
  bytes: 'size',
  'label.*': 'text',
} as const satisfies FilterFields;

/** A dead letter, and the job it is of. */
export interface FilterableLetter {
  readonly jobId: string;
  readonly jobName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly state: 'open' | 'redriving' | 'resolved' | 'waived';
  readonly stage: string;
  readonly chunk: number;
  readonly generation: number;
  readonly code: string;
  readonly class: string;
  readonly message: string;
  readonly fingerprint: string | null;
  readonly range: ChunkRange | null;
  readonly diedAt: string;
  readonly attempts: number;
  readonly worker: string | null;
  readonly bytes: number;
}

export function letterItem(letter: FilterableLetter): FilterItem {
  const { jobId, jobName, labels, stage, chunk, generation, range, diedAt } = letter;
  const short = `${stage}.${chunk}`;
  return {
    ...Object.fromEntries(Object.entries(labels).map(([label, value]) => [`label.${label}`, value])),
    id: [`${jobId}.${short}.${generation}`, `${short}.${generation}`, short],
    job: jobId,
    name: jobName,
    state: letter.state,
    code: letter.code,
    class: letter.class,
    fingerprint: letter.fingerprint,
    stage,
    chunk,
    generation,
    file: range === null ? null : [range.uri, range.uri.slice(range.uri.lastIndexOf('/') + 1)],
    offset: range === null ? null : { start: range.start, end: range.end },
    worker: letter.worker,
    age: diedAt,
    created: diedAt,
    attempts: letter.attempts,
    bytes: letter.bytes,
    words: [`${jobId}.${short}.${generation}`, jobName, letter.message],
  };
}

export const groupFields = {
  id: 'text',
  fingerprint: 'text',
  code: 'text',
  class: 'text',
  state: 'text',
  job: 'text',
  name: 'text',
  file: 'text',
  age: 'age',
  created: 'instant',
  failures: 'number',
  dead: 'number',
} as const satisfies FilterFields;

export const operationFields = {
  id: 'text',
  state: 'text',
  job: 'text',
  name: 'text',
  code: 'text',
  created: 'instant',
  age: 'age',
} as const satisfies FilterFields;
