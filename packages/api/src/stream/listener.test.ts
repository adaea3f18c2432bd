import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caller, nobody } from '../auth/caller.ts';
import type { Change, Sent } from './hub.ts';
import { type EventStore, Listener } from './listener.ts';

const admin: Caller = { ...nobody, by: 'token:a', role: 'admin', tenants: null };
const ofAcme: Caller = { ...nobody, by: 'token:b', role: 'viewer', tenants: ['acme'] };

/** Something of one tenant, so many bytes large. */
function sent(number: number, topic: string, tenant: string, bytes = 10): Sent {
  const dataFor: Change['dataFor'] = (reaches) => (reaches(tenant) ? { items: [{ tenant, text: 'x'.repeat(bytes) }] } : null);
  return { number, topic, event: 'operation', dataFor, bytes, texts: new Map() };
}

const store = (lastNumber: number, kept: readonly Sent[] | null = null, standing: readonly Sent[] = []): EventStore => ({
  id: 'hub',
  lastNumber,
  since: () => kept,
  standing: () => standing,
});

function framesOf({ stream }: Listener): string[] {
  const text = String(stream.read() ?? '');
  return text.split('\n\n').filter((frame) => frame !== '');
}

test('a stream begins with where it is, and hears its topics and what its caller may see', () => {
  const listener = new Listener(store(7), ofAcme, 'token:b', ['operations']);
  listener.begin(null);
  for (const event of [sent(8, 'operations', 'acme'), sent(9, 'operations', 'other'), sent(10, 'jobs', 'acme'), sent(11, '*', 'acme')]) listener.hear(event);
  listener.comment();
  const frames = framesOf(listener);
  assert.equal(frames[0], 'retry: 2000\nid: hub-7');
  assert.deepEqual(
    frames.slice(1).map((frame) => frame.split('\n')[0]),
    ['id: hub-8', 'id: hub-11', ': '],
  );
  assert.match(frames[1] ?? '', /^id: hub-8\nevent: operation\ndata: \{"items":\[\{"tenant":"acme","text":"x{10}"\}\]\}$/);
});

test('texts are made once for all who see the same, and never given to who sees less', () => {
  const event = sent(1, 'operations', 'other');
  const [all, some] = [new Listener(store(0), admin, 'a', ['operations']), new Listener(store(0), ofAcme, 'b', ['operations'])];
  for (const listener of [all, some, all]) listener.hear(event);
  assert.deepEqual([framesOf(all).length, framesOf(some).length, event.texts.size], [2, 0, 2]);
});

test('what was missed comes first; what is kept no longer, or was never ours, is a reset', () => {
  const back = new Listener(store(9, [sent(9, 'operations', 'acme')]), ofAcme, 'b', ['operations']);
  back.begin('hub-8');
  assert.deepEqual(
    framesOf(back).map((frame) => frame.split('\n')[0]),
    ['retry: 2000', 'id: hub-9'],
  );
  for (const lastEventId of ['hub-1', 'other-8', 'hub-', 'hub-1e9', '', '-', 'hub-8-9x']) {
    const lost = new Listener(store(9, null), ofAcme, 'b', ['operations', 'jobs']);
    lost.begin(lastEventId);
    assert.match(framesOf(lost)[1] ?? '', /^id: hub-9\nevent: reset\ndata: \{"topics":\["operations","jobs"\]\}$/, lastEventId);
  }
});

test('a reader that falls behind is skipped, and told to read anew when it is there again', async () => {
  const listener = new Listener(store(100), admin, 'a', ['operations']);
  for (let number = 1; number <= 50; number++) listener.hear(sent(number, 'operations', 'acme', 100_000));
  const waiting = listener.stream.readableLength;
  assert.ok(waiting > 1_000_000 && waiting < 1_300_000, String(waiting));
  let text = '';
  listener.stream.on('data', (some: Buffer) => {
    text += some.toString();
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(listener.stream.readableLength, 0);
  listener.hear(sent(101, 'operations', 'acme'));
  await new Promise((resolve) => setImmediate(resolve));
  const told = text.split('\n').filter((line) => line.startsWith('event: '));
  assert.deepEqual(told.slice(-2), ['event: reset', 'event: operation']);
  assert.ok(told.length < 20, String(told.length));
});

test('who comes while something is wrong is told so, without going back in the stream', () => {
  const away: Sent = { ...sent(3, '*', 'acme'), event: 'notice', dataFor: () => ({ code: 'REDIS_UNAVAILABLE', ok: false, message: 'away' }) };
  for (const lastEventId of [null, 'other-8']) {
    const listener = new Listener(store(9, null, [away]), ofAcme, 'b', ['jobs']);
    listener.begin(lastEventId);
    assert.match(framesOf(listener).at(-1) ?? '', /^event: notice\ndata: \{"code":"REDIS_UNAVAILABLE"/, String(lastEventId));
  }
});
