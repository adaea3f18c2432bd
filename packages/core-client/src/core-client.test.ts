/** The client over pipes in memory: what does not need a process. */
import assert from 'node:assert/strict';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { type Event, encodeMessage, type Response } from '@millrace/protocol/wire';
import { FrameChannel } from './frame-channel.ts';
import { type OpenRequest, RequestTracker } from './request-tracker.ts';
import { StderrTail } from './stderr-tail.ts';
import { StoreGate } from './store-gate.ts';
import { capturedLog } from './testing/index.ts';

const ping = { type: 'Ping', leaseLeftMs: null } as const;
const never = new AbortController().signal;

function entry(request: OpenRequest['request'] = ping): OpenRequest {
  return { request, onEvent: () => {}, resolve: () => {}, reject: () => {} };
}

test('the channel writes no further while the pipe is full', async () => {
  const written: Buffer[] = [];
  let release: (() => void) | null = null;
  const slow = new Writable({
    highWaterMark: 64,
    write(bytes: Buffer, _encoding, taken) {
      written.push(bytes);
      release = taken;
    },
  });
  const channel = new FrameChannel(new PassThrough(), slow, { onFrame: () => {}, onViolation: () => {}, onEnd: () => {} });
  let sent = 0;
  const sends = [1, 2, 3].map((id) => channel.send(encodeMessage(id, ping)).then(() => (sent += 1)));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(written.length, 1);
  assert.equal(sent, 0);
  const free = setInterval(() => release?.(), 1);
  await Promise.all(sends);
  clearInterval(free);
  assert.equal(written.length, 3);
});

test('a send into a pipe that is gone rejects, and ends nothing else', async () => {
  const output = new PassThrough();
  const channel = new FrameChannel(new PassThrough(), output, { onFrame: () => {}, onViolation: () => {}, onEnd: () => {} });
  output.destroy(new Error('EPIPE'));
  await assert.rejects(channel.send(encodeMessage(1, ping)), /the pipe to the core is closed/);
  await assert.rejects(channel.send(encodeMessage(2, ping)), /the pipe to the core is closed/);
});

test('after a violation the channel only drains', async () => {
  const input = new PassThrough();
  const seen: unknown[] = [];
  new FrameChannel(input, new PassThrough(), {
    onFrame: () => seen.push('frame'),
    onViolation: (error) => seen.push(error),
    onEnd: (cutBytes) => seen.push(cutBytes),
  });
  input.write('this is not a frame, and it has more than 32 bytes');
  input.end('neither is this');
  await new Promise((resolve) => input.once('close', resolve));
  assert.equal(seen.length, 2);
  assert.match(String(seen[0]), /expected the magic MR/);
  assert.equal(seen[1], 0);
});

test('numbers of requests rise, and an answer closes its request', () => {
  const tracker = new RequestTracker();
  const [first, second] = [tracker.open(entry()), tracker.open(entry())];
  assert.deepEqual([first, second], [1, 2]);
  const pong: Response = { type: 'Done', body: { type: 'PingDone', rssBytes: 0, budgetBytes: 0, recordsIn: 0, bytesIn: 0 } };
  tracker.answer(first, pong);
  assert.throws(() => tracker.answer(first, pong), /the request 1, which is not open/);
  assert.throws(() => tracker.answer(second, { type: 'Done', body: { type: 'CancelDone' } }), /answered the Ping 2 with CancelDone/);
  const event: Event = { type: 'Log', level: 'info', message: '', fieldsJson: '{}' };
  assert.throws(() => tracker.ownerOfEvent(second, event), /sent Log for the Ping 2/);
  assert.throws(() => tracker.ownerOfEvent(first, event), /not open/);
  assert.equal(tracker.takeAll().length, 1);
});

test('the gate lets in by count and by bytes, in order, and lets the waiting leave', async () => {
  const gate = new StoreGate(2, 10);
  await gate.enter(6, never);
  const order: string[] = [];
  const large = gate.enter(6, never).then(() => order.push('large'));
  const small = gate.enter(1, never).then(() => order.push('small'));
  const leaving = new AbortController();
  const left = gate.enter(1, leaving.signal);
  leaving.abort(new Error('drained'));
  await assert.rejects(left, /drained/);
  assert.deepEqual(order, []);
  gate.leave(6);
  await Promise.all([large, small]);
  assert.deepEqual(order, ['large', 'small']);
  const turned = gate.enter(1, never);
  gate.close(new Error('gone'));
  await assert.rejects(turned, /gone/);
  await assert.rejects(gate.enter(0, never), /gone/);
});

test('a line of stderr that arrives in pieces is one line, and at most so long', () => {
  const log = capturedLog();
  const tail = new StderrTail(log, () => 0);
  for (const byte of Buffer.from('{"level":"WARN","message":"öde","n":1}\nrest')) tail.push(Uint8Array.of(byte));
  tail.push(Buffer.alloc(200_000, 0x79));
  tail.end();
  assert.deepEqual(log.lines[0], { level: 'warn', fields: { core: { message: 'öde', n: 1 } }, message: 'core line' });
  assert.equal((log.lines.at(1)?.fields as { text: string } | undefined)?.text.length, 64 * 1024);
  assert.equal(tail.text().length, 64 * 1024);
});

test('more than a mebibyte a second is counted and not logged', () => {
  const log = capturedLog();
  let nowMs = 0;
  const tail = new StderrTail(log, () => nowMs);
  const line = Buffer.from(`${'x'.repeat(1023)}\n`);
  for (let count = 0; count < 2000; count += 1) tail.push(line);
  assert.equal(log.lines.length, 1024);
  nowMs = 1000;
  tail.push(line);
  assert.deepEqual(log.lines[1024], { level: 'warn', fields: { droppedBytes: 976 * 1024 }, message: 'core wrote too much to stderr' });
  assert.equal(log.lines.length, 1026);
});
