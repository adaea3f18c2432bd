import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Metrics, otherName } from './metrics.ts';
import { processMetrics } from './process-metrics.ts';

const linesOf = async (metrics: Metrics): Promise<string[]> =>
  (await metrics.exposition()).text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const sampleOf = async (metrics: Metrics, series: string): Promise<number | undefined> => {
  const line = (await linesOf(metrics)).find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

describe('metrics', () => {
  it('has every series that can occur from the start, with 0', async () => {
    const metrics = new Metrics();
    const ends = metrics.counter({
      name: 'millrace_ends_total',
      help: 'Ends.',
      labels: { outcome: ['done', 'failed'], class: ['none', 'bug'] },
      occurs: (labels) => (labels.outcome === 'failed') === (labels.class !== 'none'),
    });
    const found = (await linesOf(metrics)).filter((line) => line.startsWith('millrace_ends'));
    assert.deepEqual(found, ['millrace_ends_total{outcome="done",class="none"} 0', 'millrace_ends_total{outcome="failed",class="bug"} 0']);
    ends.add({ outcome: 'failed', class: 'bug' }, 3);
    assert.equal(await sampleOf(metrics, 'millrace_ends_total{outcome="failed",class="bug"}'), 3);
  });

  it('does not count a value that is in no set, and counts that', async () => {
    const metrics = new Metrics();
    const ends = metrics.counter({ name: 'millrace_ends_total', help: 'Ends.', labels: { outcome: ['done'] } });
    ends.add({ outcome: 'exploded' as 'done' });
    assert.equal((await linesOf(metrics)).filter((line) => line.includes('exploded')).length, 0);
    assert.equal(await sampleOf(metrics, 'millrace_label_overflow_total{reason="unlisted"}'), 1);
  });

  it('folds names beyond the bound, and a name has its series before it counts', async () => {
    const metrics = new Metrics(['job_name']);
    const names = metrics.openNames('job_name', 2);
    const records = metrics.counter({ name: 'millrace_records_total', help: 'Records.', labels: { job_name: names, fate: ['in', 'out'] } });
    assert.equal(names.know('a'), 'a');
    assert.equal(await sampleOf(metrics, 'millrace_records_total{job_name="a",fate="out"}'), 0);
    names.know('b');
    records.add({ job_name: names.know('c'), fate: 'in' }, 5);
    assert.equal(await sampleOf(metrics, `millrace_records_total{job_name="${otherName}",fate="in"}`), 5);
    assert.equal(await sampleOf(metrics, 'millrace_label_overflow_total{reason="job_name"}'), 1);
    assert.equal(names.know('a'), 'a', 'a known name keeps its series');
    assert.equal((await linesOf(metrics)).filter((line) => line.startsWith('millrace_records')).length, metrics.described.at(-1)?.mostSeries);
  });

  it('puts a gauge back to what it was at the start', async () => {
    const metrics = new Metrics();
    const jobs = metrics.gauge({ name: 'millrace_jobs', help: 'Jobs.', labels: { state: ['open', 'over'] } });
    jobs.set({ state: 'open' }, 7);
    jobs.reset();
    assert.equal(await sampleOf(metrics, 'millrace_jobs{state="open"}'), 0);
  });

  it('counts the lines of a histogram', async () => {
    const metrics = new Metrics();
    metrics.histogram({ name: 'millrace_wait_seconds', help: 'Wait.', labels: { queue: ['a', 'b'] }, buckets: 'wait' });
    const lines = (await linesOf(metrics)).filter((line) => line.startsWith('millrace_wait_seconds'));
    assert.equal(lines.length, metrics.described.at(-1)?.mostSeries);
  });

  it('refuses a counter that is not named as one, and open names that nobody announced', () => {
    assert.throws(() => new Metrics().counter({ name: 'millrace_ends', help: '' }), /must end in _total/);
    assert.throws(() => new Metrics().openNames('job_name', 3), /expected one of unlisted/);
  });
});

it('every process tells its build, its clock and the library the rest', async () => {
  const one = processMetrics();
  one.recordBuild({ service: 'scheduler', version: '0.1.0', coreVersion: '0.1.0', resultVersion: 1 });
  one.recordClockOffset(-1_500);
  one.recordLogMessage('warn');
  assert.equal(await sampleOf(one.metrics, 'millrace_build_info{service="scheduler",version="0.1.0",core_version="0.1.0",result_version="1"}'), 1);
  assert.equal(await sampleOf(one.metrics, 'millrace_clock_offset_seconds'), -1.5);
  assert.equal(await sampleOf(one.metrics, 'millrace_log_messages_total{level="warn"}'), 1);
  const text = (await one.metrics.exposition()).text;
  assert.match(text, /^process_resident_memory_bytes \d/m);
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds /m);
  assert.match(text, /^nodejs_active_resources_total \d/m);
  assert.doesNotMatch(text, /nodejs_active_(handles|requests)/, 'collecting these can abort the process');
});
