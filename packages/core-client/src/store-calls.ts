/** Which calls to stores a core makes, for what counts them. */
import type { CallOperation } from '@millrace/service-kit';
import type { CoreWatch } from './core-watch.ts';

/** Request of the core → what it does to a store; other requests are not about one. */
export const storeOperations: Readonly<Partial<Record<string, CallOperation>>> = {
  StorePut: 'write',
  StoreGet: 'read',
  StoreStat: 'read',
  StoreList: 'list',
  StoreDelete: 'delete',
};

/** Of a core that reads inputs and keeps the journal: each store request is counted as one of these, with its seconds. */
export function watchStoreCalls(
  record: (dependency: 'journal' | 'input', operation: CallOperation, result: 'ok' | 'failed', seconds: number) => void,
): CoreWatch {
  return {
    request: (request, seconds, worked) => {
      const operation = storeOperations[request.type];
      if (operation === undefined || !('scope' in request)) return;
      record(request.scope.kind === 'journal' ? 'journal' : 'input', operation, worked ? 'ok' : 'failed', seconds);
    },
  };
}
