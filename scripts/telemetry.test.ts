/** The page of telemetry says what the code does, in both directions; and no process can grow more series than Prometheus should be asked to keep. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { OpenNames } from '../packages/service-kit/src/index.ts';
import { declaredMetrics, pagePath, writtenPage } from './generate-telemetry.ts';
import { readLogCalls } from './log-messages.ts';

const page = readFileSync(pagePath, 'utf8');
const mostSeries = 8_000;

describe('docs/telemetry.md', () => {
  it('has the metrics and log messages of the code, and no others', () => {
    assert.ok(page === writtenPage(page), 'the page is not what the code says: npm run generate writes it');
  });

  it('names each metric that the code declares in one table, and each that stands there is declared', () => {
    const rows = [...page.matchAll(/^\| `(millrace_\w+)` \| (?:counter|gauge|histogram)/gm)].map(([, name]) => name as string);
    const declared = new Set([...declaredMetrics().values()].flatMap(({ metrics }) => metrics.described.map(({ name }) => name)));
    assert.deepEqual(new Set(rows), declared);
  });

  it('tells the meaning of each field that a log line has, and of no other', () => {
    const { calls, context, problems } = readLogCalls();
    assert.deepEqual(problems, []);
    const used = new Set([...context, ...calls.flatMap(({ fields }) => fields)]);
    const told = [...page.matchAll(/^\| `(\w+)` \| ([^|]*) \|$/gm)];
    assert.deepEqual(told.map(([, name]) => name as string).toSorted(), [...used].toSorted());
    for (const [row, , meaning] of told) assert.notEqual(meaning?.trim(), '', row);
  });

  it('has a message for each thing that happens: the same words say it at one level', () => {
    const levels = new Map<string, string>();
    for (const { message, level, at } of readLogCalls().calls) {
      assert.equal(levels.get(message) ?? level, level, `${at}: "${message}" is said at two levels`);
      levels.set(message, level);
    }
  });
});

describe('series of a process', () => {
  for (const [service, { metrics }] of declaredMetrics()) {
    it(`of ${service} stay below ${mostSeries} with every bound reached`, async () => {
      for (const { labels } of metrics.described)
        for (const set of Object.values(labels)) if (set instanceof OpenNames) for (let n = 0; n <= set.most; n++) set.know(`job-${n}`);
      const { text } = await metrics.exposition();
      const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      const bound = metrics.described.reduce((sum, { mostSeries: most }) => sum + most, 0);
      const ownLines = lines.filter((line) => line.startsWith('millrace_'));
      // Series with a code or a route are born when they occur; every other one stands there by now.
      const unborn = metrics.described.filter(
        ({ name }) => !ownLines.some((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `) || line.startsWith(`${name}_`)),
      );
      assert.deepEqual(
        unborn.filter(({ labels }) => !('code' in labels) && !('route' in labels)).map(({ name }) => name),
        [],
      );
      assert.equal(ownLines.length, bound - unborn.reduce((sum, { mostSeries: most }) => sum + most, 0), 'as many lines as the bound says');
      const ofLibrary = lines.length - ownLines.length;
      assert.ok(bound + ofLibrary < mostSeries, `${bound} of ours and ${ofLibrary} of the library`);
    });
  }
});
