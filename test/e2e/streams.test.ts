/**
 * Producers that name their own chunks, through real processes: what a stream of ranges or payloads gives is what one pass over the same bytes gives,
 * also when schedulers and Redis die under it and batches are sent again.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { ChunkInput, JobStream, StreamSpec } from '@millrace/producer';
import type { Manifest } from '@millrace/protocol';
import type { LocalStack } from '../../packages/cli/src/local-stack.ts';
import { flushRedis, killRole } from './support/accidents.ts';
import { partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { deadLetters } from './support/journal-files.ts';
import { until } from './support/until.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
let data: string;
before(() => {
  bench = new Workbench('streams');
  data = bench.path('data');
  mkdirSync(data);
});
after(() => bench.close());

const schema = {
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'text', type: 'string' },
  ],
} as const;

const uriOf = (name: string): string => pathToFileURL(bench.path('data', name)).href;

/** Records of a CSV file, some with line ends inside quotes and some dirty, and the offset of each. */
function csvFile(name: string, records: number): { uri: string; starts: number[]; size: number } {
  let text = 'id,text\n';
  const starts: number[] = [];
  for (let record = 0; record < records; record++) {
    starts.push(text.length);
    text += record % 37 === 5 ? `x${record},dirty\n` : record % 5 === 0 ? `${record},"two\nlines, ""quoted"" ${record}"\n` : `${record},plain ${record}\n`;
  }
  writeFileSync(bench.path('data', name), text);
  return { uri: uriOf(name), starts, size: text.length };
}

const outputOf = (out: string): { uri: string } => ({ uri: `${pathToFileURL(out).href}/` });

async function run(name: string, use: (local: LocalStack, out: string) => Promise<string>, hostSlots = [1]): Promise<Manifest> {
  const out = bench.path(name);
  const local = await bench.stack({ out, readRoots: [data], hostSlots });
  let jobId: string;
  try {
    jobId = await use(local, out);
  } finally {
    await local.stop();
  }
  await bench.expectNothingRuns();
  return expectTidy(out, jobId);
}

/** Opens a stream, sends, seals and waits. */
async function stream(
  name: string,
  spec: Pick<StreamSpec, 'inputs'> & Partial<StreamSpec>,
  send: (job: JobStream, local: LocalStack) => Promise<unknown>,
): Promise<Manifest> {
  return run(name, async (local, out) => {
    const job = await local.producer.open({ name, schema, output: outputOf(out), rejects: { maxRatio: 1 }, ...spec } as StreamSpec, { idempotencyKey: name });
    await send(job, local);
    await job.seal();
    const status = await followToEnd(job);
    assert.equal(
      status.state,
      'completed',
      status.failure?.message +
        JSON.stringify(
          deadLetters(out, job.jobId)
            .map((l) => l.message)
            .slice(0, 2),
        ),
    );
    return job.jobId;
  });
}

async function whole(name: string, uri: string, format: string): Promise<Manifest> {
  return run(name, async (local, out) => {
    const job = await local.producer.submit({ name, inputs: { uri, format }, schema, output: outputOf(out), rejects: { maxRatio: 1 } } as never);
    await job.result();
    return job.jobId;
  });
}

const rowsOf = async (manifest: Manifest): Promise<string[]> => (await query(`SELECT id, text FROM (${partsOf(manifest)}) ORDER BY id, text`)).map(String);
const rejectPaths = (manifest: Manifest): string => `[${manifest.rejects.map(({ uri }) => `'${uri.replace('file://', '')}'`).join(',')}]`;
const rejectsOf = async (manifest: Manifest, columns: string): Promise<string[]> =>
  (await query(`SELECT ${columns} FROM read_parquet(${rejectPaths(manifest)}) ORDER BY byte`)).map(String);

describe('ranges of objects', () => {
  it('give what one pass gives: records that start in a range, wherever it ends', async () => {
    const { uri, starts, size } = csvFile('ranges.csv', 900);
    const cuts = [0, ...starts.filter((_, index) => index > 0 && index % 83 === 0), size];
    const chunks = cuts.slice(1).map((end, index): ChunkInput => ({ key: `r${index}`, uri, range: [cuts[index] ?? 0, end] }));
    const streamed = await stream('ranges', { inputs: { format: 'csv' } }, async (job) => {
      assert.deepEqual((await job.enqueueChunks(chunks)).accepted, chunks.length);
    });
    const passed = await whole('ranges-whole', uri, 'csv');
    assert.deepEqual(streamed.balance, passed.balance);
    assert.deepEqual(await rowsOf(streamed), await rowsOf(passed));
    assert.deepEqual(await rejectsOf(streamed, 'file, byte, byteEnd, code, raw'), await rejectsOf(passed, 'file, byte, byteEnd, code, raw'));
    const numbered = await rejectsOf(streamed, 'record IS NULL, line IS NULL');
    assert.deepEqual([numbered[0], numbered.at(-1)], ['false,false', 'true,true'], 'records and lines are counted from the start of an object alone');
    const first = await rejectsOf(streamed, 'record, line');
    assert.equal(first[0], (await rejectsOf(passed, 'record, line'))[0]);
  });

  it('of lines may begin and end anywhere', async () => {
    const lines = Array.from({ length: 2_000 }, (_, id) => `{"id":${id},"text":"${'x'.repeat(id % 50)}"}`);
    const text = `${lines.join('\n')}\n`;
    writeFileSync(bench.path('data', 'cut.ndjson'), text);
    const uri = uriOf('cut.ndjson');
    const chunks: ChunkInput[] = [];
    for (let start = 0, index = 0; start < text.length; index++) {
      const end = Math.min(text.length, start + 1 + ((index * 7919) % 4_001));
      chunks.push({ key: `c${index}`, uri, range: [start, end] });
      start = end;
    }
    const manifest = await stream('lines', { inputs: { format: 'ndjson' } }, (job) => job.enqueueChunks(chunks));
    assert.deepEqual([manifest.balance.recordsIn, manifest.balance.emitted], [2_000, 2_000]);
    assert.equal((await rowsOf(manifest)).length, 2_000);
  });

  it('that begin inside of a record are dead letters that say so, and so are chunks with other records than promised', async () => {
    const { uri, starts, size } = csvFile('inside.csv', 60);
    const [middle = 0] = starts.filter((_, index) => index === 30);
    await run('inside', async (local, out) => {
      const spec = {
        name: 'inside',
        inputs: { format: 'csv' },
        schema,
        output: outputOf(out),
        rejects: { maxRatio: 1 },
        deadLetters: { maxChunks: null },
      } as const;
      const job = await local.producer.open(spec as never, { idempotencyKey: 'inside' });
      const quoted = middle + '30,"two\n'.length;
      await job.enqueueChunks([
        { key: 'head', uri, range: [0, middle], records: 30 },
        { key: 'inside', uri, range: [middle + 3, size] },
        { key: 'quoted', uri, range: [quoted, size] },
        { key: 'promised', uri, range: [middle, size], records: 31 },
      ]);
      await job.seal({ chunks: 4 });
      const status = await followToEnd(job);
      assert.deepEqual([status.state, status.chunks.committed, status.chunks.dead], ['completed', 1, 3], status.failure?.message);
      const letters = deadLetters(out, job.jobId).toSorted((a, b) => a.chunk - b.chunk);
      assert.deepEqual(
        letters.map(({ code }) => code),
        ['INPUT_RANGE', 'INPUT_RANGE', 'INPUT_COUNT_MISMATCH'],
      );
      assert.deepEqual([letters[0]?.range?.uri, letters[0]?.range?.start], [uri, middle + 3]);
      return job.jobId;
    });
  });
});

describe('a stream under a reduce stage', () => {
  it('is deduplicated in the order in which its chunks were sent', async () => {
    const pipeline = [{ name: 'once', exchange: { keys: ['id'], partitions: 2 }, dedupe: { keys: ['id'] } }];
    const payloads = [3, 1, 2].map((turn): ChunkInput => ({ key: `p${turn}`, inline: `id,text\n${[1, 2, 3].map((id) => `${id},${turn}`).join('\n')}\n` }));
    const manifest = await stream('reduced', { inputs: { format: 'csv' }, pipeline: pipeline as never }, async (job) => {
      for (const payload of payloads) await job.enqueueChunks([payload]);
    });
    assert.deepEqual(await rowsOf(manifest), ['1,3', '2,3', '3,3']);
    assert.equal(manifest.balance.deduplicated, 6);
  });
});

describe('a producer', () => {
  const COUNT = 3_000;

  /** Sends payloads while something happens; what is pulled from the source stays close to what was accepted. */
  async function underAccidents(name: string, accidents: (local: LocalStack) => Promise<void>): Promise<void> {
    let pulled = 0;
    let wait = 0;
    const started = Promise.withResolvers<void>();
    async function* source(): AsyncGenerator<ChunkInput> {
      for (; pulled < COUNT; pulled++) {
        if (pulled === 900) started.resolve();
        yield { key: `k${pulled}`, inline: `id,text\n${pulled},t\n` };
      }
    }
    const manifest = await stream(name, { inputs: { format: 'csv' } }, async (job, local) => {
      const sending = job.enqueueChunks(source(), { maxAhead: 300, onWait: () => (wait += 1) });
      sending.catch(() => {});
      await started.promise;
      await accidents(local);
      const { accepted, duplicates } = await sending;
      assert.equal(accepted + duplicates, COUNT);
      assert.ok(wait > 0, 'it waited for chunks to be done');
      // Everything again, by somebody who does not know how far the first one came.
      assert.deepEqual(await job.enqueueChunks([{ key: 'k0', inline: 'id,text\n0,t\n' }]).then(({ duplicates: again }) => again), 1);
      await assert.rejects(job.enqueueChunks([{ key: 'k0', inline: 'id,text\n1,t\n' }]), { name: 'ConflictError' });
    });
    assert.deepEqual([manifest.balance.recordsIn, manifest.balance.emitted], [COUNT, COUNT]);
    const ids = (await rowsOf(manifest)).map((row) => Number(row.split(',')[0]));
    assert.deepEqual(
      ids,
      Array.from({ length: COUNT }, (_, id) => id),
      'each record once',
    );
  }

  it('loses and doubles nothing when the scheduler is killed under it', () =>
    underAccidents('scheduler-killed', async (local) => {
      await killRole(local, 'scheduler');
      local.stack.start('scheduler');
    }));

  it('loses and doubles nothing when Redis loses everything', () =>
    underAccidents('redis-flushed', async (local) => {
      await flushRedis(local);
    }));

  it('that died is taken over by another one that sends the same', async () => {
    const chunks = Array.from({ length: 700 }, (_, id): ChunkInput => ({ key: `k${id}`, inline: `id,text\n${id},t\n` }));
    const manifest = await stream('taken-over', { inputs: { format: 'csv' } }, async (job) => {
      const gone = new AbortController();
      let pulled = 0;
      function* some(): Generator<ChunkInput> {
        for (const chunk of chunks) {
          if (++pulled === 650) gone.abort(new Error('gone'));
          yield chunk;
        }
      }
      await assert.rejects(job.enqueueChunks(some(), { signal: gone.signal }), /gone/);
      await until('the first batch to stand', async () => (await job.status()).chunks.total > 0);
      const { accepted, duplicates } = await job.enqueueChunks(chunks);
      assert.equal(accepted + duplicates, chunks.length);
      assert.ok(duplicates >= 500);
      await assert.rejects(job.seal({ chunks: 701 }), /701 chunks, 700 were accepted/);
    });
    assert.equal(manifest.balance.recordsIn, 700);
  });
});
