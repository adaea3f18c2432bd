/** F16, F29, F36, F37, F56 for whole jobs: journal and output in an object store that answers badly. What each verb makes of each answer is tested in the store crate. */
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { until } from '../e2e/support/until.ts';
import type { CheckOptions } from './support/checker.ts';
import type { Cluster, Role } from './support/cluster.ts';
import { manifestOf, readJob, receiptsOf } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';
import { StoreStub, type StubFault, type StubOptions, stubBucket } from './support/store-stub.ts';

let lab: Lab;
before(() => {
  lab = new Lab('store', { records: 6_000 });
});
after(() => lab.close());

async function overStub(
  name: string,
  act: (cluster: Cluster, stub: StoreStub) => Promise<void>,
  check: CheckOptions = {},
  options: StubOptions = {},
): Promise<void> {
  const stub = await StoreStub.start(lab.bench.path(`${name}-store`), options);
  const remote = {
    out: `s3://${stubBucket}/${name}/`,
    directory: join(stub.directory, stubBucket, name),
    environment: stub.environment(lab.bench.path(`${name}-connections.json`)),
  };
  try {
    await lab.run({ name, remote, check }, (cluster) => act(cluster, stub));
    assert.equal(stub.openUploads, 0, 'uploads that nobody ended');
  } finally {
    await stub.stop();
  }
}

const isVerdict = (key: string): boolean => key.includes('/verdicts/');

describe('F16: a job over a store that answers badly', () => {
  const answers: readonly (readonly [name: string, fault: StubFault])[] = [
    ['500 although it was saved', { kind: 'doneThenStatus', status: 500 }],
    ['a reset although it was saved', { kind: 'doneThenReset' }],
    ['503', { kind: 'status', status: 503, code: 'SlowDown' }],
    ['429', { kind: 'status', status: 429, code: 'TooManyRequests' }],
    ['409', { kind: 'status', status: 409, code: 'ConditionalRequestConflict' }],
    ['a reset', { kind: 'reset' }],
    ['half of a body', { kind: 'shortBody' }],
  ];

  it('each answer at every kind of request, mixed: one outcome per chunk, and its own receipt is recognised', async () => {
    await overStub('answers', async (cluster, stub) => {
      await cluster.ready(cluster.scheduler(), cluster.host(), cluster.host());
      const met = new Set<string>();
      let turn = 0;
      stub.fault = ({ verb, number }) => {
        if (number % 6 !== 0) return null;
        const [name, fault] = answers[turn % answers.length] as (typeof answers)[number];
        // Half of a body means something only where there is one.
        if (fault.kind === 'shortBody' && verb !== 'get' && verb !== 'range') return null;
        if (fault.kind === 'status' && fault.status === 409 && verb !== 'create') return { kind: 'status', status: 503 };
        turn += 1;
        met.add(name);
        return fault;
      };
      const { jobId } = await cluster.submit('answers', cluster.spec(), 60_000);
      await cluster.untilEnded(jobId, 1, 120_000);
      assert.equal(met.size, answers.length, [...met].join(', '));
      assert.ok(stub.faults > 20, `${stub.faults} faults`);
    });
  });

  it('the receipt is saved and the answer is lost, for every chunk: none is superseded by itself', async () => {
    await overStub('receipts', async (cluster, stub) => {
      await cluster.ready(cluster.scheduler(), cluster.host());
      const hit = new Set<string>();
      stub.fault = ({ verb, key }) => {
        if (verb !== 'create' || !isVerdict(key) || hit.has(key)) return null;
        hit.add(key);
        return { kind: 'doneThenStatus', status: 500 };
      };
      const { jobId } = await cluster.submit('receipts');
      await cluster.untilEnded(jobId);
      const { failures } = readJob(cluster.out, jobId);
      assert.ok(hit.size >= 4);
      assert.deepEqual(
        failures.filter(({ outcome }) => outcome === 'superseded'),
        [],
      );
    });
  });

  it('a store that shuts the journal out while a job is accepted: nobody is told that it was refused, and the same key leads to it', async () => {
    await overStub('shut-out', async (cluster, stub) => {
      await cluster.ready(cluster.scheduler(), cluster.host());
      const met = new Set<string>();
      stub.fault = ({ verb, key }) => {
        const record = /inputs\/000000\.json$|job\.json$/.exec(key)?.[0];
        if (verb !== 'create' || record === undefined || met.has(record)) return null;
        met.add(record);
        return record === 'job.json' ? { kind: 'doneThenStatus', status: 403 } : { kind: 'status', status: 403, code: 'ExpiredToken' };
      };
      const { jobId } = await cluster.submit('shut-out');
      await cluster.untilEnded(jobId);
      assert.equal(met.size, 2);
      assert.deepEqual(
        cluster.client.entries.map(({ outcome }) => outcome).filter((outcome) => outcome === 'failed'),
        [],
      );
    });
  });

  it('a store that ignores conditions is refused at the start', async () => {
    await overStub(
      'ignorant',
      async (cluster) => {
        for (const role of [cluster.scheduler(), cluster.host()]) {
          assert.equal((await role.ended).code, 1);
          assert.match(role.tail(), /STORE_IGNORES_CONDITIONS/);
        }
      },
      { ending: 'any' },
      { ignoresConditions: true },
    );
  });
});

describe('F36: a store without space', () => {
  it('costs time while it lasts, tears nothing, and goes on by itself', async () => {
    await overStub('space', async (cluster, stub) => {
      await cluster.ready(cluster.scheduler(), cluster.host());
      const { jobId } = await cluster.submit('space');
      await until('a receipt', () => receiptsOf(readJob(cluster.out, jobId)).length >= 1, { every: 5 });
      stub.fault = ({ verb }) =>
        ['put', 'create', 'piece', 'startUpload'].includes(verb) ? { kind: 'status', status: 507, code: 'InsufficientStorage' } : null;
      await until('writes to be refused', () => stub.faults >= 5);
      stub.fault = () => null;
      await cluster.untilEnded(jobId);
    });
  });
});

describe('F37: a host is asked to end while it waits for storage', () => {
  const pieces = [
    ['a plan', () => true],
    ['a chunk', (host: Role) => host.has('work done')],
  ] as const;
  for (const [name, isDue] of pieces) {
    it(`${name} is handed back and costs no attempt`, async () => {
      await overStub(`ends-${name.slice(2)}`, async (cluster, stub) => {
        cpSync(lab.data, join(stub.directory, stubBucket, 'in'), { recursive: true });
        const answers = Promise.withResolvers<void>();
        const host = cluster.host({ drainMs: 0 });
        await cluster.ready(cluster.scheduler(), host);
        let held = 0;
        stub.fault = ({ verb, key }) => {
          if ((verb !== 'get' && verb !== 'range') || !key.startsWith('in/') || !isDue(host)) return null;
          held += 1;
          return { kind: 'hold', until: answers.promise };
        };
        const { inputs, ...rest } = cluster.spec({ execution: { chunkSize: '64KiB', maxAttempts: 1 } }) as { inputs: { uri: string[] } };
        const uri = inputs.uri.map((file) => `s3://${stubBucket}/in/${basename(file)}`);
        const { jobId } = await cluster.submit(name, { ...rest, inputs: { ...inputs, uri } });
        await until('a read to be held', () => held > 0, { describe: () => cluster.describe() });
        host.signal('SIGTERM');
        assert.equal((await host.ended).code, 0, host.tail());
        stub.fault = () => null;
        answers.resolve();
        cluster.host();
        await cluster.untilEnded(jobId);
        const ends = readJob(cluster.out, jobId).failures.map(({ outcome, code }) => [outcome, code]);
        assert.deepEqual(ends, [['released', 'ATTEMPT_RELEASED']]);
        assert.equal(manifestOf(cluster.out, jobId, 1)?.state, 'completed');
      });
    });
  }
});

describe('F56: a receipt that lands late', () => {
  it('after its chunk is dead and redriven is refused by the verdict of its generation', async () => {
    const landing = Promise.withResolvers<void>();
    let held = '';
    await overStub('late', async (cluster, stub) => {
      const slow = cluster.host();
      await cluster.ready(cluster.scheduler(), slow);
      stub.fault = ({ verb, key }) => {
        if (verb !== 'create' || !isVerdict(key) || held !== '') return null;
        held = key;
        return { kind: 'hold', until: landing.promise };
      };
      const { jobId } = await cluster.submit('late', cluster.spec({ deadLetters: { maxChunks: 1_000 } }));
      await until('a receipt to be under way', () => held !== '');
      await slow.kill();
      const [files, away] = [lab.data, join(lab.bench.home, 'data-away')];
      renameSync(files, away);
      cluster.host();
      try {
        await cluster.untilEnded(jobId);
      } finally {
        renameSync(away, files);
      }
      const dead = readFileSync(join(stub.directory, stubBucket, held), 'utf8');
      assert.equal((JSON.parse(dead) as { outcome: string }).outcome, 'dead');
      await (await cluster.producer()).job(jobId).redrive('the files are back');
      await cluster.untilEnded(jobId, 2);
      landing.resolve();
      await until('the late put to land', () => stub.landed.length > 0);
      assert.deepEqual(stub.landed, [412]);
      assert.equal(readFileSync(join(stub.directory, stubBucket, held), 'utf8'), dead);
      assert.equal(manifestOf(cluster.out, jobId, 2)?.state, 'completed');
    });
  });
});

describe('F29: a secret of the store', () => {
  it('is found nowhere: not in journal, outputs, records of failures, Redis or logs', async () => {
    await overStub(
      'canary',
      async (cluster, stub) => {
        await cluster.ready(cluster.scheduler(), cluster.host());
        const { jobId } = await cluster.submit('canary', cluster.spec({ deadLetters: { maxChunks: 1_000 } }), 60_000);
        stub.fault = ({ number }) => (number % 9 === 0 ? { kind: 'status', status: 403, code: 'AccessDenied' } : null);
        await until('faults', () => stub.faults > 5);
        stub.fault = () => null;
        await cluster.untilEnded(jobId);
        const canary = 'stub-canary-6f1d';
        const files = readdirSync(stub.directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
        for (const { parentPath, name } of files) assert.ok(!readFileSync(join(parentPath, name)).includes(canary), name);
        assert.ok(!readFileSync(cluster.logFile, 'utf8').includes(canary), 'the logs');
        for (const key of (await cluster.redis.command('KEYS', '*')).split('\n')) {
          assert.ok(!(await cluster.redis.command('DUMP', key)).includes(canary), key);
        }
      },
      { ending: 'any' },
    );
  });
});
