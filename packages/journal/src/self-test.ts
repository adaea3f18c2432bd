/** Proof at the start of a service that a store keeps the promises commits rest on: creates that lose, one winner of a race, listings that show all. */
import { isFailureCode } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { CoreLike } from './store.ts';

const deadlineMs = 60_000;

/** Throws `AppError`: `STORE_IGNORES_CONDITIONS` names the promise that was broken; other codes say why the store could not be asked. */
export async function testStore(core: CoreLike, connection: string): Promise<void> {
  const none = { input: null, jobKey: null, start: null, end: null, record: null, parts: null, spec: null };
  const answer = await core.request({ type: 'Inspect', what: 'selfTest', connection, ...none }, { deadlineMs });
  if (answer.failed === null) return;
  const code = isFailureCode(answer.failed.code) ? answer.failed.code : 'INTERNAL';
  throw new AppError(code, `cannot use the connection ${connection}: ${answer.failed.message}`);
}
