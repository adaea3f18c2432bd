/** What a filter of jobs and of chunks may ask for, as the filter bar suggests it. */
import { chunkStates, failureClasses, jobStates } from '@millrace/protocol/browser';
import type { FilterField } from '../../list/filter-text.ts';

export const jobFilterFields: readonly FilterField[] = [
  { name: 'state', about: 'state of the job', values: jobStates },
  { name: 'name', about: 'the kind of work' },
  { name: 'id', about: 'id of the job' },
  { name: 'tenant', about: 'whose job it is' },
  { name: 'code', about: 'code that it failed with' },
  { name: 'label.*', about: 'a label of the spec' },
  { name: 'age', about: 'since it was accepted', values: ['<1h', '<1d', '<7d', '>30d'] },
  { name: 'created', about: 'when it was accepted', values: ['>=2026-11-01'] },
  { name: 'finished', about: 'when it ended' },
];

export const chunkFilterFields: readonly FilterField[] = [
  { name: 'state', about: 'state of the chunk', values: chunkStates },
  { name: 'code', about: 'code of its last failure' },
  { name: 'class', about: 'class of its last failure', values: failureClasses },
  { name: 'file', about: 'location or name of a file' },
  { name: 'offset', about: 'a byte that lies in it', values: ['1.2GB'] },
  { name: 'record', about: 'a record that lies in it' },
  { name: 'worker', about: 'host that runs it, or ran it last' },
  { name: 'attempts', about: 'attempts that failed', values: ['>=1', '>=3'] },
  { name: 'rejects', about: 'records that it rejected', values: ['>0'] },
  { name: 'bytes', about: 'how much it reads', values: ['>64MiB'] },
  { name: 'records', about: 'how many records it reads' },
  { name: 'generation', about: 'the newest one that lists it' },
  { name: 'fingerprint', about: 'error group of its failure' },
  { name: 'id', about: 'id of the chunk' },
];
