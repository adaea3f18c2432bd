/** Chunks held back and let go by the queue that they wait in, as an operator does it. */
import { ApiError, type Client } from '../../../packages/api-contract/src/client.ts';
import { until } from './until.ts';

/** Asks again while the server asks for patience: making data blocks this process, and with it the API and its Redis connection for a moment. */
export async function patiently<Answer>(what: string, ask: () => Promise<Answer>): Promise<Answer> {
  let answer: { readonly of: Answer } | null = null;
  const asked = async (): Promise<boolean> => {
    try {
      answer = { of: await ask() };
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.retryable) return false;
      throw error;
    }
  };
  await until(what, asked, { every: 200 });
  return (answer as unknown as { readonly of: Answer }).of;
}

/** Holds all chunks back, or lets them go; returns the version of the queue's settings that says so. */
export async function steerChunks({ api: { client } }: { readonly api: { readonly client: Client } }, paused: boolean): Promise<number> {
  const name = 'chunk-default-r1' as never;
  const asked = async () => (await patiently('the queues', () => client.call('GET /queues', {}))).data.find((queue) => queue.name === name);
  // There is none before the first host has told of itself.
  await until('the queue', async () => (await asked()) !== undefined, { every: 50 });
  const version = (await asked())?.version ?? 0;
  const steer = () => client.call('PATCH /queues/{name}', { params: { name }, body: { paused, reason: 'held by a test' } }, { ifMatch: `"${version}"` });
  return (await patiently('the queue', steer)).version;
}
