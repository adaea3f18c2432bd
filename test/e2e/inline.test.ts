/**
 * Inline payloads: a journal as a producer of chunks leaves it (job, pins, payloads, plan) and nothing in Redis. The scheduler finds the open marker,
 * rebuilds the job from its records, and the payloads go to a core as they stand.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type CoreProcess, startCore } from '@millrace/core-client';
import { type Journal, journalConnection, openJournal } from '@millrace/journal';
import { validate } from '@millrace/producer';
import {
  type InlineChunk,
  inputPinsShape,
  type JobId,
  jobIdFromKey,
  type Pins,
  type ResolvedJobSpec,
  type Segment,
  sha256Hex,
  specDigest,
} from '@millrace/protocol';
import { silentLog } from '@millrace/service-kit';
import { partsOf, query } from './support/duckdb.ts';
import { expectTidy } from './support/expect-output.ts';
import { followToEnd } from './support/follow.ts';
import { Workbench } from './support/workbench.ts';

let bench: Workbench;
before(() => {
  bench = new Workbench('inline');
});
after(() => bench.close());

const payloads = {
  'order:1': 'id,name,amount\n1,Ada,10.50\n2,"Bo\nb",7.25\n',
  'order:2': 'id,name,amount\n3,Cy,x\n',
  'order:3': 'id,name,amount\n4,Di,0.01\n5,Ed,99.00\n6,Flo,1.00\n',
};

describe('a chunk of inline payloads', () => {
  it('is found in the journal, run and accounted for by payload', async () => {
    const out = bench.path('out');
    const sample = bench.path('sample.csv');
    writeFileSync(sample, payloads['order:1']);
    const jobId = jobIdFromKey('default', 'inline');
    await prepare(out, sample, jobId);
    const local = await bench.stack({ out, readRoots: [bench.home], hostSlots: [1] });
    try {
      const status = await followToEnd(local.producer.job(jobId));
      assert.equal(status.state, 'completed', status.failure?.message);
    } finally {
      await local.stop();
    }
    const manifest = expectTidy(out, jobId);
    assert.deepEqual([manifest.balance.recordsIn, manifest.balance.emitted, manifest.balance.rejected], [6, 5, 1]);
    assert.deepEqual(manifest.byColumn, { amount: { TYPE_NUMBER: 1 } });
    const rows = await query(`SELECT id, name, CAST(amount AS VARCHAR) FROM (${partsOf(manifest)}) ORDER BY id`);
    assert.deepEqual(rows.map(String), ['1,Ada,10.50', '2,Bo\nb,7.25', '4,Di,0.01', '5,Ed,99.00', '6,Flo,1.00']);
    const receipt = JSON.parse(readFileSync(join(out, '_journal', 'jobs', jobId, 'verdicts', 'read', '000000.json'), 'utf8')) as {
      files: { file: null; key: string; recordsIn: number; rejected: number }[];
    };
    assert.deepEqual(
      receipt.files.map(({ key, recordsIn, rejected }) => [key, recordsIn, rejected]),
      [
        ['order:1', 2, 0],
        ['order:2', 1, 1],
        ['order:3', 3, 0],
      ],
    );
    await bench.expectNothingRuns();
  });
});

/** Puts every record in the order in which a scheduler would. */
async function prepare(out: string, sample: string, jobId: JobId): Promise<void> {
  const spec = validate({
    name: 'inline',
    inputs: { uri: pathToFileURL(sample).href, format: 'csv' },
    schema: {
      fields: [
        { name: 'id', type: 'integer' },
        { name: 'name', type: 'string' },
        { name: 'amount', type: 'number', precision: 8, scale: 2 },
      ],
    },
    output: { uri: `${pathToFileURL(out).href}/` },
  });
  const core = await journalCore(out);
  try {
    const journal = openJournal(core);
    await journal.putOpenMarker(jobId, 1);
    await putJob(journal, jobId, spec);
    const pins = await journal.putPins(await probe(core, jobId, spec, sample));
    await putPlan(journal, jobId, spec, pins.stored.digest);
  } finally {
    await core.stop();
  }
}

function journalCore(out: string): Promise<CoreProcess> {
  const hello = {
    hostVersion: 'test',
    slot: 0,
    memoryBytes: 256 << 20,
    scratchBytes: 0,
    scratchDir: bench.temporary,
    readRoots: [bench.home],
    writeRoots: [out],
    connections: [journalConnection(pathToFileURL(join(out, '_journal')).href)],
    httpAllow: [],
    ports: [],
    sandbox: 'bestEffort',
    logLevel: 'error',
  } as const;
  return startCore({ binary: bench.core, hello, log: silentLog });
}

async function putJob(journal: Journal, jobId: JobId, spec: ResolvedJobSpec): Promise<void> {
  const head = {
    record: 'job',
    version: 1,
    jobId,
    tenant: 'default',
    name: 'inline',
    idempotencyKey: 'inline',
    acceptedAt: '2026-11-23T10:00:00.000Z',
  } as const;
  await journal.putJob({
    ...head,
    resultVersion: 1,
    specDigest: specDigest(spec),
    spec,
    stage: 'read',
    stages: [],
    lookups: [],
    inputs: [],
    inputFiles: 0,
    inputBytes: 0,
  });
}

async function probe(core: CoreProcess, jobId: JobId, spec: ResolvedJobSpec, sample: string): Promise<Pins> {
  const [declared] = spec.inputs;
  const input = [{ uri: pathToFileURL(sample).href, connection: null, etag: '', size: readFileSync(sample).length }];
  const answer = await core.request({ type: 'Probe', input, declared: JSON.stringify({ ...declared, schema: spec.schema }) }, { deadlineMs: 30_000 });
  assert.equal(answer.failed, null, answer.failed?.message);
  return {
    record: 'pins',
    version: 1,
    jobId,
    rules: 1,
    inputs: [inputPinsShape.parse(JSON.parse(new TextDecoder().decode(answer.payload)))],
    partitions: {},
    lookups: [],
  };
}

async function putPlan(journal: Journal, jobId: JobId, spec: ResolvedJobSpec, pinsDigest: string): Promise<void> {
  const bytes = new TextEncoder().encode(Object.values(payloads).join(''));
  const key = await journal.putInline(jobId, 0, bytes);
  const chunk: InlineChunk = { chunk: 0, kind: 'inline', key, offset: 0, length: bytes.length, sha256: sha256Hex(bytes), payloads: places() };
  const head = { version: 1, jobId, generation: 1 } as const;
  const segment: Segment = {
    record: 'segment',
    ...head,
    stage: 'read',
    segment: 0,
    specDigest: specDigest(spec),
    pinsDigest,
    firstChunk: 0,
    files: [],
    chunks: [chunk],
    ended: [],
  };
  assert.equal((await journal.putSegment(segment)).outcome, 'won');
  await journal.putPlanEnd({ record: 'planEnd', ...head, segments: 1 });
  await journal.putSealed({ record: 'sealed', ...head, segments: 1, chunks: 1, bytes: bytes.length, records: 6, unplannable: [] });
}

function places(): InlineChunk['payloads'] {
  let offset = 0;
  return Object.entries(payloads).map(([key, text]) => {
    const length = Buffer.byteLength(text);
    offset += length;
    return { key, offset: offset - length, length };
  });
}
