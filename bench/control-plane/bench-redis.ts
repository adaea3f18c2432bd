/** A Redis for benches: private, on a unix socket, with the slow log at 20 ms. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { ledgerScripts } from '../../packages/queues/src/ledger-scripts.ts';
import { startTestRedis, type TestRedis } from '../../packages/queues/src/testing/redis.ts';

export interface BenchRedis {
  readonly redis: TestRedis;
  readonly client: Redis;
  readonly socket: string;
  /** Redis gets a processor before everybody else, so that a slow call is its own and not another's turn. False where that is not allowed. */
  readonly isFirst: boolean;
  /** Bytes that Redis holds now, and commands over 20 ms so far, by name. */
  usage(): Promise<{ usedBytes: number; peakBytes: number; slow: { command: string; ms: number }[] }>;
  flush(): Promise<void>;
  /** Commands since the last call, by name: how often, and microseconds of Redis' own time. Those that scripts call are in the scripts' time. */
  commands(): Promise<Record<string, { calls: number; us: number }>>;
  stop(): Promise<void>;
}

export async function startBenchRedis(): Promise<BenchRedis> {
  const redis = await startTestRedis(['--slowlog-log-slower-than', '20000', '--slowlog-max-len', '1024']);
  const socket = redis.url.slice('unix://'.length);
  const client = new Redis(socket);
  const isFirst = spawnSync('chrt', ['-f', '-p', '1', String(redis.pid)]).status === 0;
  const scripts = new Map(Object.entries(ledgerScripts).map(([name, text]) => [createHash('sha1').update(text).digest('hex'), name]));
  const shown = ([command = '', first = '']: string[]): string => `${command} ${scripts.get(first) ?? first.slice(0, 60)}`;
  return {
    redis,
    client,
    socket,
    isFirst,
    usage: async () => {
      const info = await client.info('memory');
      const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
      const entries = (await client.call('SLOWLOG', 'GET', '1024')) as [number, number, number, string[]][];
      const slow = entries.map(([, , us, args]) => ({ command: shown(args), ms: us / 1000 }));
      return { usedBytes: field('used_memory'), peakBytes: field('used_memory_peak'), slow };
    },
    flush: async () => {
      await client.flushall();
    },
    commands: async () => {
      const found: Record<string, { calls: number; us: number }> = {};
      for (const [, name = '', calls, us] of (await client.info('commandstats')).matchAll(/^cmdstat_(\S+?):calls=(\d+),usec=(\d+)/gm))
        found[name] = { calls: Number(calls), us: Number(us) };
      await client.config('RESETSTAT');
      return found;
    },
    stop: async () => {
      client.disconnect();
      await redis.stop();
    },
  };
}
