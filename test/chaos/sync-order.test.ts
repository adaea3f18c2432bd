/** F80 without LazyFS: not a loss of power, but the order of syncs that decides what one leaves, seen in the system calls of every core of a job. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { manifestOf } from './support/journal-reader.ts';
import { Lab } from './support/lab.ts';
import { judgeOrder, tracedCalls } from './support/sync-order.ts';

const place = '/place';
const part = [
  '7 write(5</place/out/.tmp>, "PAR1"..., 4) = 4',
  '7 fsync(5</place/out/.tmp>) = 0',
  '7 renameat2(9</place/out>, ".tmp", 9</place/out>, "part", RENAME_NOREPLACE) = 0',
  '7 fsync(9</place/out>) = 0',
];
const receipt = [
  '7 write(6</place/_journal/verdicts/.tmp>, "{}", 2) = 2',
  '7 fsync(6</place/_journal/verdicts/.tmp>) = 0',
  '7 linkat(8</place/_journal/verdicts>, ".tmp", 8</place/_journal/verdicts>, "1.json", 0) = 0',
  '7 unlinkat(8</place/_journal/verdicts>, ".tmp", 0) = 0',
  '7 fsync(8</place/_journal/verdicts>) = 0',
];
const judged = (...lines: readonly string[]): readonly string[] => judgeOrder([...lines, '7 +++ exited with 0 +++\n'].join('\n'), place).breaches;
const without = (lines: readonly string[], index: number): string[] => lines.filter((_, at) => at !== index);

describe('the judge of syncs', () => {
  it('has nothing to say about the right order', () => {
    assert.deepEqual(judged(...part, ...receipt), []);
    assert.equal(judgeOrder([...part, ...receipt].join('\n'), place).receipts, 1);
  });

  it('sees each sync that lacks', () => {
    assert.match(judged(...without(part, 1), ...receipt).join(), /part was named before its bytes were synced/);
    assert.match(judged(...without(part, 3), ...receipt).join(), /1\.json was named before \/place\/out was synced, with part/);
    assert.match(judged(...part, ...without(receipt, 1)).join(), /1\.json was named before its bytes/);
    assert.match(judged(...part, ...without(receipt, 4)).join(), /verdicts was never synced behind 1\.json/);
    assert.match(judged('7 mkdirat(9</place>, "out", 0777) = 0', ...part, ...receipt).join(), /named before \/place was synced, with out/);
  });

  it('a sync covers what was written before it began, and only if it worked', () => {
    const [write = '', , ...rest] = part;
    const begin = '7 fsync(5</place/out/.tmp> <unfinished ...>';
    const end = '7 <... fsync resumed>) = 0';
    assert.deepEqual(judged(write, begin, end, ...rest), []);
    assert.match(judged(begin, write.replace('7', '8'), end, ...rest).join(), /before its bytes were synced/);
    assert.match(judged(write, begin, '7 <... fsync resumed>) = -1 EIO (Input/output error)', ...rest).join(), /before its bytes were synced/);
  });
});

const lacks = ((): string | false => {
  try {
    execFileSync('strace', ['-D', '-f', '-y', '-e', 'trace=write', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'strace is not here, or may not trace';
  }
})();

describe('F80: what a loss of power would leave', () => {
  let lab: Lab;
  before(() => {
    lab = new Lab('syncs', { records: 6_000 });
  });
  after(() => lab.close());

  it('every part and its directory are synced before the receipt that names them, every record before its name', { skip: lacks }, async () => {
    const traces = lab.bench.path('traces');
    const core = lab.bench.path('traced-core');
    mkdirSync(traces);
    // The tracer is the grandchild: the core stays the child of its host, as it insists on.
    writeFileSync(core, `#!/bin/sh\nexec strace -D -f -y -s 300 -e trace=${tracedCalls} -o '${traces}'/$$ '${lab.bench.core}'\n`);
    chmodSync(core, 0o755);
    const cluster = await lab.run({ name: 'syncs', timeScale: 0.3 }, async (cluster) => {
      await cluster.ready(cluster.scheduler({ core }), cluster.host({ core }));
      const { jobId } = await cluster.submit('syncs');
      await cluster.untilEnded(jobId);
      assert.equal(manifestOf(cluster.out, jobId, 1)?.state, 'completed');
    });
    const written = readdirSync(traces).map((name) => readFileSync(join(traces, name), 'utf8'));
    const found = written.map((trace) => judgeOrder(trace, cluster.out));
    // The same calls as if no sync had worked: else a line that is not understood would pass for a sync.
    const unsynced = written.map((trace) => judgeOrder(trace.replaceAll(/\d+ f(?:data)?sync\(.*\n/g, ''), cluster.out));
    assert.ok(
      unsynced.some(({ breaches }) => breaches.length > 0),
      'a trace without its syncs fails',
    );
    assert.deepEqual(
      found.flatMap(({ breaches }) => breaches),
      [],
    );
    const sum = (count: (one: (typeof found)[number]) => number): number => found.reduce((total, one) => total + count(one), 0);
    assert.ok(sum(({ receipts }) => receipts) >= 4, `${sum(({ receipts }) => receipts)} receipts`);
    assert.ok(sum(({ files }) => files) >= 20, `${sum(({ files }) => files)} files`);
  });
});
