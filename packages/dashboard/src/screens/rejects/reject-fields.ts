/** What a filter of rejects, and of their sums over jobs, may ask for, as the filter bar suggests it. */
import type { FilterField } from '../../list/filter-text.ts';

export const rejectFilterFields: readonly FilterField[] = [
  { name: 'code', about: 'what is wrong with it', values: ['CSV_*', 'TYPE_*', 'ENCODING_*'] },
  { name: 'column', about: 'column that it is about' },
  { name: 'file', about: 'location or name of a file' },
  { name: 'state', about: 'whether a replay took it up', values: ['open', 'replaying', 'replayed'] },
  { name: 'stage', about: 'stage that rejected it' },
  { name: 'chunk', about: 'index of its chunk' },
  { name: 'record', about: 'number of the record in its file' },
  { name: 'line', about: 'line that it begins in' },
  { name: 'offset', about: 'a byte that lies in it' },
  { name: 'id', about: 'id of the reject' },
];

export const rejectSumFields: readonly FilterField[] = [
  { name: 'code', about: 'what is wrong with them', values: ['CSV_*', 'TYPE_*', 'ENCODING_*'] },
  { name: 'column', about: 'column that they are about' },
  { name: 'file', about: 'location or name of a file' },
  { name: 'job', about: 'id of their job' },
  { name: 'name', about: 'kind of work of their job' },
  { name: 'age', about: 'since their job was accepted', values: ['<1h', '<1d', '<7d', '>30d'] },
  { name: 'created', about: 'when their job was accepted', values: ['>=2026-11-01'] },
];
