/** What became of the items of an operation, as parts of a bar. Pure. */
import type { OperationView } from '@millrace/api-contract';
import type { BarPart } from '../../ui/split-bar.tsx';

export function operationParts({ released, resolved, failedAgain, skipped }: OperationView['counts']): BarPart[] {
  return [
    { name: 'resolved', value: resolved, fill: 'good' },
    { name: 'failed again', value: failedAgain, fill: 'bad' },
    { name: 'skipped', value: skipped, fill: 'wait' },
    { name: 'requeued', value: Math.max(0, released - resolved - failedAgain), fill: 'busy' },
  ];
}
