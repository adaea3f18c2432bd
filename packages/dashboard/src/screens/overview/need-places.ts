/** Where a matter of *needs you* leads. Pure. */
import type { Overview } from '@millrace/api-contract';

type Kind = Overview['needsYou'][number]['kind'];

export function needPlaces(kind: Kind, id: string | null): { readonly to: string; readonly search: Readonly<Record<string, string>> } {
  const page = (to: string, q?: string) => ({ to, search: q === undefined ? {} : { q } });
  switch (kind) {
    case 'errorsRegressed':
      return page('/errors', 'state:regressed');
    case 'errorsNew':
      return page('/errors', 'state:open');
    case 'deadLetters':
      return page('/dead', 'state:open');
    case 'jobsFailed':
      return page('/jobs', 'state:failed');
    case 'operationPaused':
      return page(id === null ? '/operations' : `/operations/${id}`);
    case 'queuePaused':
    case 'nothingConsumes':
    case 'circuitOpen':
      return page('/queues');
    case 'noHostForVersion':
      return page('/workers');
    case 'scheduleFailed':
      return page('/schedules');
    case 'rejectsOpen':
      return page('/rejects', 'state:open');
    default:
      return kind satisfies never;
  }
}
