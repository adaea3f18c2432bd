/** Raw BullMQ, whose processor does nothing: `node bullmq-worker.ts <socket> <queue> <concurrency>`. Tells its parent how many it has done. */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';

const [socket = '', queue = '', concurrency = '1'] = process.argv.slice(2);
const connection = new Redis(socket, { maxRetriesPerRequest: null });
let done = 0;
const worker = new Worker(
  queue,
  async () => {
    done += 1;
  },
  { connection, concurrency: Number(concurrency), removeOnComplete: { count: 1_000 }, lockDuration: 60_000, prefix: 'millrace:{m}' },
);
await worker.waitUntilReady();
setInterval(() => process.send?.(done), 20);
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
