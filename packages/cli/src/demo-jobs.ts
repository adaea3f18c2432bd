/** What `millrace dev --demo` submits: five jobs whose files have known faults, so that every page has something to show. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { createClient } from '@millrace/api-contract/client';
import { parse } from 'yaml';
import { parseFaults } from './generate/faults.ts';
import { writeData } from './generate/write-data.ts';
import type { Output } from './output.ts';
import type { ServerAddress } from './server-address.ts';

type Spec = Record<string, unknown>;

interface DemoJob {
  readonly name: string;
  /** What a person will see, in a few words. */
  readonly about: string;
  readonly spec: Spec;
}

export async function submitDemo(server: ServerAddress, home: string, output: Output): Promise<void> {
  const client = createClient({ baseUrl: server.url, token: server.token });
  output.line();
  output.line('The demo:');
  for (const { name, about, spec } of demoJobs(join(home, 'demo'))) {
    const { jobId } = await client.call('POST /jobs', { body: { spec: { ...spec, name } as never } });
    output.document({ type: 'submitted', jobId, name });
    output.line(`  ${name.padEnd(16)} ${about}`);
    output.line(`  ${' '.repeat(16)} ${server.url}/jobs/${jobId}`);
  }
}

function demoJobs(home: string): DemoJob[] {
  mkdirSync(home, { recursive: true });
  const orders = generated(home, 'orders', 'orders', 60_000, 3);
  const events = generated(home, 'events', 'events', 20_000, 1);
  const out = (name: string): Spec => ({ uri: `${pathToFileURL(join(home, 'out', name)).href}/` });
  const small = { execution: { chunkSize: '256KiB' } };
  return [
    {
      name: 'orders-import',
      about: 'dirty CSV: completes, with a few hundred rejects by code and column',
      spec: { ...orders, ...small, output: out('orders') },
    },
    { name: 'events-import', about: 'NDJSON: completes, with broken records kept aside', spec: { ...events, ...small, output: out('events') } },
    {
      name: 'orders-strict',
      about: 'the same orders, one reject allowed: fails by its budget, and says where it was used up',
      spec: { ...orders, ...small, rejects: { maxRows: 1, maxRatio: null }, output: out('strict') },
    },
    { name: 'partner-feed', about: 'a gzip file that was cut in upload: a dead letter to look at and redrive', spec: cutFeed(home, out('feed')) },
    { name: 'access-log', about: 'log lines by a pattern: what does not match is rejected with its bytes', spec: accessLog(home, out('log')) },
  ];
}

function generated(home: string, name: string, kind: 'orders' | 'events', records: number, files: number): Spec {
  const directory = join(home, name);
  writeData({ kind, directory, seed: 7, records, sizeBytes: null, files, faults: parseFaults(undefined) });
  const spec = parse(readFileSync(join(directory, 'spec.yaml'), 'utf8')) as Spec & { inputs: { uri: string | string[] } & Spec };
  // The written spec names its files beside itself; a server needs the whole place.
  const whole = (uri: string): string => new URL(uri, `${pathToFileURL(directory).href}/`).href;
  return { ...spec, inputs: { ...spec.inputs, uri: [spec.inputs.uri].flat().map(whole) } };
}

function cutFeed(home: string, output: Spec): Spec {
  const rows = Array.from({ length: 5_000 }, (_, at) => `${at + 1},customer ${at + 1}\n`).join('');
  writeFileSync(join(home, 'feed-1.csv.gz'), gzipSync(`id,name\n${rows}`));
  const second = gzipSync(`id,name\n${rows}`);
  writeFileSync(join(home, 'feed-2.csv.gz'), second.subarray(0, second.length / 2));
  const uri = [1, 2].map((file) => pathToFileURL(join(home, `feed-${file}.csv.gz`)).href);
  return { inputs: { uri, format: 'csv' }, schema: 'text', output };
}

function accessLog(home: string, output: Spec): Spec {
  const line = (at: number): string =>
    at % 97 === 0
      ? 'kernel: link is down\n'
      : `10.0.${at % 250}.7 - - [23/Nov/2026:10:00:${String(at % 60).padStart(2, '0')} +0000] "GET /orders/${at} HTTP/1.1" ${at % 41 === 0 ? 503 : 200} ${at % 5_000}\n`;
  writeFileSync(join(home, 'access.log'), Array.from({ length: 10_000 }, (_, at) => line(at)).join(''));
  const regex = '^(?P<ip>\\S+) \\S+ \\S+ \\[(?P<at>[^\\]]+)\\] "(?P<method>[A-Z]+) (?P<path>\\S+)[^"]*" (?P<status>\\d{3}) (?P<size>\\d+|-)';
  return {
    inputs: { uri: pathToFileURL(join(home, 'access.log')).href, format: 'lines', lines: { regex } },
    schema: {
      fields: [
        { name: 'ip' },
        { name: 'at', type: 'datetime', format: '%d/%b/%Y:%H:%M:%S %z' },
        { name: 'method' },
        { name: 'path' },
        { name: 'status', type: 'integer' },
        { name: 'size', type: 'integer' },
      ],
    },
    pipeline: [{ name: 'shape', sql: 'SELECT at, mask_ip(ip) AS ip, method, path, status, size FROM input' }],
    output,
  };
}
