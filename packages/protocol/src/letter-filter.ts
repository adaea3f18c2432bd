/** What filters see of dead letters, error groups and operations: the fields of each, and the items they are matched as. Pure. */
import { type FieldOf, type FilterFields, wordsField } from './filter.ts';
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

/** Of very many letters only what a filter asks for is made. */
export function letterItem(letter: FilterableLetter): FieldOf {
  return (field) => {
    const { jobId, stage, chunk, generation, range } = letter;
    switch (field) {
      case 'id':
        return [`${jobId}.${stage}.${chunk}.${generation}`, `${stage}.${chunk}.${generation}`, `${stage}.${chunk}`];
      case 'job':
        return jobId;
      case 'name':
        return letter.jobName;
      case 'file':
        return range === null ? null : [range.uri, range.uri.slice(range.uri.lastIndexOf('/') + 1)];
      case 'offset':
        return range === null ? null : { start: range.start, end: range.end };
      case 'age':
      case 'created':
        return letter.diedAt;
      case wordsField:
        return [`${jobId}.${stage}.${chunk}.${generation}`, letter.jobName, letter.message];
      case 'state':
      case 'code':
      case 'class':
      case 'fingerprint':
      case 'stage':
      case 'chunk':
      case 'generation':
      case 'worker':
      case 'attempts':
      case 'bytes':
        return letter[field];
      default:
        return field.startsWith('label.') && Object.hasOwn(letter.labels, field.slice(6)) ? letter.labels[field.slice(6)] : null;
    }
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
