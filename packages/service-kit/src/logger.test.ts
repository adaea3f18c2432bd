import assert from 'node:assert/strict';
import { test } from 'node:test';

import { captureLog } from './testing/index.ts';

test('a line has level, instant, message and fields, and children add theirs', () => {
  const { log, lines } = captureLog();
  log.child({ jobId: 'j1' }).info({ records: 3 }, 'attempt committed');
  const [line] = lines;
  assert.equal(line?.level, 'info');
  assert.equal(line?.msg, 'attempt committed');
  assert.deepEqual([line?.['jobId'], line?.['records'], line?.['service']], ['j1', 3, 'test']);
  assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT.*Z$/);
});

test('secrets are taken out by name, also below', () => {
  const { log, lines } = captureLog();
  log.warn({ password: 'hunter2', redis: { password: 'hunter2' }, a: { b: { token: 'hunter2' } } }, 'redis slow');
  assert.ok(!JSON.stringify(lines).includes('hunter2'));
});

test('an error stands under err with its cause', () => {
  const { log, lines } = captureLog();
  log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'service failed');
  assert.match(JSON.stringify(lines[0]?.['err']), /outer.*inner/);
});
