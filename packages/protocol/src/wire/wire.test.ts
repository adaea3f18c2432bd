/** Properties of frames and codec: any split of a stream gives the same frames, any message survives, no bytes do anything but give a message or an error. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  crc32c,
  decodeCoreHello,
  decodeEventOrResponse,
  decodeHostHello,
  decodeRequest,
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameReader,
  type Message,
  maxHeaderBytes,
  mayCarryPayload,
  WireError,
} from './index.ts';
import { arbitraryBody, fullMessage, messageFromJson, messageToJson, minimalMessage } from './testing/index.ts';

const vectors = join(import.meta.dirname, '../../../../schemas/vectors');

function isHello(message: Message): boolean {
  return message.type === 'HostHello' || message.type === 'CoreHello';
}

function frameOf(message: Message, payload: Uint8Array = new Uint8Array(0)): Frame {
  const carries = !isHello(message) && mayCarryPayload(message.type as Frame['kind']);
  return encodeMessage(isHello(message) ? 0 : 9, message, carries ? payload : undefined);
}

function bytesOf(...frames: readonly Frame[]): Buffer {
  return Buffer.concat(frames.flatMap((frame) => encodeFrame(frame)));
}

/** The frames of a stream that arrives in pieces of these sizes. */
function readAll(bytes: Uint8Array, sizes: readonly number[] = [bytes.length]): Frame[] {
  const reader = new FrameReader();
  const frames: Frame[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    frames.push(...reader.push(bytes.subarray(at, at + size)));
    at += size;
  }
  reader.end();
  return frames;
}

/** The message of a frame by whichever decoder takes its kind. */
function decodeAny(frame: Frame): Message {
  if (frame.kind !== 'Hello')
    return ['Progress', 'PlanSegment', 'Log', 'Done', 'Failed'].includes(frame.kind) ? decodeEventOrResponse(frame).message : decodeRequest(frame).message;
  try {
    return decodeHostHello(frame);
  } catch {
    return decodeCoreHello(frame);
  }
}

function only<T>(values: readonly T[]): T {
  assert.equal(values.length, 1);
  return values[0] as T;
}

/** Numbers below a bound from a seed: the same run again on every machine. */
function numbers(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

test('the checksum is CRC-32C', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(0)), 0);
});

test('every message survives the wire', () => {
  fc.assert(
    fc.property(arbitraryBody(), fc.uint8Array({ maxLength: 100 }), (message, payload) => {
      const frame = frameOf(message, payload);
      const read = only(readAll(bytesOf(frame)));
      assert.deepEqual(read, frame);
      assert.deepEqual(decodeAny(read), message);
    }),
    { numRuns: 400 },
  );
});

test('any split of a stream gives the same frames', () => {
  fc.assert(
    fc.property(fc.array(arbitraryBody(), { minLength: 1, maxLength: 4 }), fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }), (messages, sizes) => {
      const frames = messages.map((message) => frameOf(message, Uint8Array.of(1, 2, 3)));
      assert.deepEqual(readAll(bytesOf(...frames), sizes), frames);
      assert.deepEqual(readAll(bytesOf(...frames), [1]), frames);
    }),
    { numRuns: 60 },
  );
});

test('two frames in one piece come one after the other, and the frame cut by the end is an error', () => {
  const [first, second] = [frameOf(minimalMessage('Ping')), frameOf(fullMessage('StorePut'), Uint8Array.of(5))];
  assert.deepEqual(readAll(bytesOf(first, second)), [first, second]);
  const whole = bytesOf(first, second);
  for (let cut = 1; cut < whole.length; cut += 1) {
    if (cut === bytesOf(first).length) continue;
    assert.throws(() => readAll(whole.subarray(0, cut)), WireError);
  }
});

test('each frame lies in memory of its own', () => {
  const frame = only(readAll(bytesOf(frameOf(fullMessage('StorePut'), Uint8Array.of(5)))));
  assert.equal(frame.header.buffer.byteLength, frame.header.length);
  assert.equal(frame.payload.buffer.byteLength, frame.payload.length);
});

test('ten thousand mutations of headers end in a message or a WireError', () => {
  const next = numbers(20_261_018);
  const samples = fc.sample(arbitraryBody(), { seed: 5, numRuns: 200 });
  let accepted = 0;
  for (let round = 0; round < 10_000; round += 1) {
    const frame = frameOf(samples[next(samples.length)] as Message);
    let header = frame.header.slice();
    for (let change = 0; change <= next(3); change += 1) {
      const at = next(header.length);
      const how = next(4);
      if (how === 0) header[at] = (header[at] ?? 0) ^ (1 << next(8));
      else if (how === 1) header[at] = next(256);
      else if (how === 2) header = header.slice(0, Math.max(1, at));
      else header.fill([0, 0x7f, 0xff][next(3)] ?? 0, at, at + 4);
    }
    try {
      decodeAny({ ...frame, header });
      accepted += 1;
    } catch (error) {
      assert.ok(error instanceof WireError, `round ${round}: ${String(error)}`);
    }
  }
  assert.ok(accepted < 10_000);
});

test('every single bit flip of a stream is found', () => {
  const bytes = bytesOf(frameOf(fullMessage('Done')));
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.throws(() => readAll(flipped), WireError);
  }
});

test('parts that are shared cannot unfold beyond the bound', () => {
  const keys = ['k'.repeat(100_000), ...Array.from({ length: 899 }, () => 'x')];
  const { header } = frameOf({ ...(minimalMessage('StoreDelete') as Extract<Message, { type: 'StoreDelete' }>), keys });
  const bytes = Buffer.from(header);
  // All 900 offsets of the vector are pointed at the one long text.
  const text = bytes.indexOf('kkkk') - 4;
  const vector = bytes.indexOf(Buffer.from([0x84, 0x03, 0, 0]));
  for (let index = 0; index < keys.length; index += 1) bytes.writeUInt32LE(text - (vector + 4 + 4 * index), vector + 4 + 4 * index);
  assert.throws(
    () => decodeAny({ ...frameOf(minimalMessage('StoreDelete')), header: new Uint8Array(bytes) }),
    /unfolds beyond the bound of a header at .*keys\[\d+\]/,
  );
});

test('a breach of a bound names its field and is never sent', () => {
  const probe = minimalMessage('Probe') as Extract<Message, { type: 'Probe' }>;
  assert.throws(() => encodeMessage(1, { ...probe, input: [] }), /expected 1 to 5 entries, got 0 at header\.body\.Probe\.input/);
  const input = only(probe.input);
  assert.throws(() => encodeMessage(1, { ...probe, input: [{ ...input, size: -1 }] }), /whole number .* at header\.body\.Probe\.input\[0\]\.size/);
  assert.throws(() => encodeMessage(1, { ...probe, input: [{ ...input, uri: '\ud800' }] }), /text of whole characters .*uri/);
  assert.throws(() => encodeMessage(1, { ...probe, declared: undefined as unknown as string }), /expected a value at header\.body\.Probe\.declared/);
  assert.throws(() => encodeMessage(1, { type: 'Ping', leaseLeftMs: 2 ** 32 }), /up to 4294967295/);
  assert.throws(() => encodeMessage(1, { type: 'Ping', leaseLeftMs: null }, Uint8Array.of(1)), /Ping carries no payload/);
  assert.throws(() => encodeMessage(0, { type: 'Ping', leaseLeftMs: null }), /request id 0/);
  assert.throws(() => encodeMessage(1, { ...probe, declared: 'x'.repeat(maxHeaderBytes) }), /the header has/);
});

test('a number that may be absent keeps its zero', () => {
  assert.deepEqual(decodeAny(frameOf({ type: 'Ping', leaseLeftMs: 0 })), { type: 'Ping', leaseLeftMs: 0 });
  assert.deepEqual(decodeAny(frameOf({ type: 'Ping', leaseLeftMs: null })), { type: 'Ping', leaseLeftMs: null });
});

test('shared vectors mean the same in both languages', () => {
  const stems = readdirSync(vectors)
    .filter((name) => name.endsWith('.rust.bin'))
    .map((name) => name.slice(0, -'.rust.bin'.length));
  assert.equal(stems.length, 19, 'one file for each message');
  for (const stem of stems) {
    const expected = JSON.parse(readFileSync(join(vectors, `${stem}.json`), 'utf8')) as { requestId: number; message: unknown; payload: string }[];
    for (const file of [`${stem}.bin`, `${stem}.rust.bin`]) {
      const frames = readAll(readFileSync(join(vectors, file)));
      const said = frames.map((frame) => ({
        requestId: frame.requestId,
        message: messageToJson(decodeAny(frame)),
        payload: Buffer.from(frame.payload).toString('utf8'),
      }));
      assert.deepEqual(said, expected, file);
    }
    const again = expected.map((entry) => encodeMessage(entry.requestId, messageFromJson(entry.message), Buffer.from(entry.payload)));
    assert.ok(bytesOf(...again).equals(readFileSync(join(vectors, `${stem}.bin`))), `${stem}.bin is not what this encoder writes`);
  }
});

test('hostile vectors are refused in the layer that must see them', () => {
  const folder = join(vectors, 'hostile');
  const layers = Object.entries(JSON.parse(readFileSync(join(folder, 'layers.json'), 'utf8')) as Record<string, 'frame' | 'message'>);
  assert.ok(layers.length >= 29);
  for (const [name, layer] of layers) {
    const bytes = readFileSync(join(folder, `${name}.bin`));
    if (layer === 'frame') assert.throws(() => readAll(bytes), WireError, name);
    else {
      const frame = only(readAll(bytes));
      assert.throws(() => decodeAny(frame), WireError, name);
    }
  }
});
