/** Fields that filters of lists know. No schema: a page may load them to suggest. */
import type { FilterFields } from '@millrace/protocol';

export const jobFields = {
  id: 'text',
  job: 'text',
  name: 'text',
  tenant: 'text',
  state: 'text',
  code: 'text',
  'label.*': 'text',
  age: 'age',
  created: 'instant',
  finished: 'instant',
  bytes: 'size',
  records: 'number',
  rejected: 'number',
  dead: 'number',
  priority: 'number',
} as const satisfies FilterFields;

export const auditFields = {
  id: 'text',
  by: 'text',
  role: 'text',
  tenant: 'text',
  act: 'text',
  object: 'text',
  outcome: 'text',
  code: 'text',
  from: 'text',
  age: 'age',
  created: 'instant',
} as const satisfies FilterFields;
