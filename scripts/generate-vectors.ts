/**
 * Writes schemas/vectors: frames that both languages must read alike, and frames that both must refuse.
 *
 *   node scripts/generate-vectors.ts
 *   MILLRACE_WRITE_VECTORS=1 cargo test --release -p millrace-wire vectors      then writes what Rust makes of the same messages (*.rust.bin)
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { crc32c, encodeFrame, encodeMessage, type Frame, type FrameKind, type Message, mayCarryPayload } from '../packages/protocol/src/wire/index.ts';
import { unionMembers } from '../packages/protocol/src/wire/table-description.ts';
import { arbitraryMessage, fullMessage, messageToJson, minimalMessage } from '../packages/protocol/src/wire/testing/index.ts';

const vectors = join(dirname(fileURLToPath(import.meta.url)), '../schemas/vectors');
const payload = Buffer.from('bytes behind the header\n');

interface Sample {
  readonly requestId: number;
  readonly message: Message;
  readonly payload: Uint8Array;
}

function kindOf(message: Message): FrameKind {
  return message.type === 'HostHello' || message.type === 'CoreHello' ? 'Hello' : message.type;
}

/** The smallest, a full and two random messages of a type; for `Done` each body in both sizes. */
function samplesOf(type: string, first: number): Sample[] {
  const bodies = type === 'Done' ? unionMembers('DoneBody') : [];
  const wrapped = bodies.flatMap((body) =>
    [minimalMessage(body as never), fullMessage(body as never)].map((inner) => ({ type: 'Done', body: inner }) as unknown as Message),
  );
  const messages = [minimalMessage(type), fullMessage(type), ...wrapped, ...fc.sample(arbitraryMessage(type), { seed: 20_261_018, numRuns: 2 })];
  return messages.map((message, index) => {
    const kind = kindOf(message);
    return { requestId: kind === 'Hello' ? 0 : first + index, message, payload: mayCarryPayload(kind) && index % 2 === 1 ? payload : new Uint8Array(0) };
  });
}

function writeAccepted(): void {
  unionMembers('Body').forEach((type, index) => {
    const samples = samplesOf(type, 1 + index * 100);
    const bytes = Buffer.concat(samples.flatMap((sample) => encodeFrame(encodeMessage(sample.requestId, sample.message, sample.payload))));
    const json = samples.map((sample) => ({
      requestId: sample.requestId,
      message: messageToJson(sample.message),
      payload: Buffer.from(sample.payload).toString('utf8'),
    }));
    writeFileSync(join(vectors, `${type}.bin`), bytes);
    writeFileSync(join(vectors, `${type}.json`), `${JSON.stringify(json, null, 1)}\n`);
  });
}

interface Change {
  /** Changes bytes in place. */
  readonly edit: (bytes: Buffer) => unknown;
  /** Then makes them more or fewer. */
  readonly resize?: (bytes: Buffer) => Buffer;
  /** Leaves the checksums of the prefix wrong. */
  readonly keepCrc?: boolean;
}

/** The bytes of one frame, changed, and both checksums of the prefix right again unless the change is of them. */
function changed(frame: Frame, edit: Change['edit'], { resize = (bytes) => bytes, keepCrc = false }: Omit<Change, 'edit'> = {}): Buffer {
  const whole = Buffer.concat(encodeFrame(frame));
  edit(whole);
  const bytes = resize(whole);
  if (keepCrc) return bytes;
  const headerBytes = Math.min(bytes.readUInt32LE(16), bytes.length - 32);
  bytes.writeUInt32LE(crc32c(bytes.subarray(32, 32 + headerBytes)), 24);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 28)), 28);
  return bytes;
}

/** Where a text stands in a frame. */
function find(bytes: Buffer, wanted: string): number {
  const at = bytes.indexOf(wanted);
  if (at < 0) throw new Error(`the frame does not hold ${wanted}`);
  return at;
}

function hostile(): Record<string, { readonly layer: 'frame' | 'message'; readonly bytes: Buffer }> {
  const ping = encodeMessage(7, { type: 'Ping', leaseLeftMs: 4_096 });
  const log = encodeMessage(7, { type: 'Log', level: 'error', message: 'needle', fieldsJson: '{}' });
  const segment = encodeMessage(7, { ...(fullMessage('PlanSegment') as Extract<Message, { type: 'PlanSegment' }>), digest: 'd'.repeat(64), key: 'needle' });
  const put = encodeMessage(7, fullMessage('StorePut'), payload);
  const frameCases: Record<string, Buffer> = {
    magic: changed(ping, (bytes) => bytes.write('XR', 0)),
    'prefix-crc': changed(ping, (bytes) => bytes.writeUInt8(bytes.readUInt8(16) ^ 1, 16), { keepCrc: true }),
    version: changed(ping, (bytes) => bytes.writeUInt8(2, 2)),
    'unknown-kind': changed(ping, (bytes) => bytes.writeUInt8(0x77, 3)),
    flags: changed(ping, (bytes) => bytes.writeUInt32LE(1, 4)),
    'empty-header': changed(ping, (bytes) => bytes.writeUInt32LE(0, 16)),
    'oversize-header': changed(ping, (bytes) => bytes.writeUInt32LE(1024 * 1024 + 1, 16)),
    'oversize-payload': changed(put, (bytes) => bytes.writeUInt32LE(8 * 1024 * 1024 + 1, 20)),
    'payload-not-allowed': changed(ping, (bytes) => bytes.writeUInt32LE(1, 20), { resize: (bytes) => Buffer.concat([bytes, Buffer.from('x')]) }),
    'request-zero': changed(ping, (bytes) => bytes.writeUInt32LE(0, 8)),
    'request-above-2-53': changed(ping, (bytes) => bytes.writeUInt32LE(0x00200000, 12)),
    'hello-with-request': changed(encodeMessage(0, fullMessage('CoreHello')), (bytes) => bytes.writeUInt32LE(1, 8)),
    'header-crc': changed(ping, (bytes) => bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1), { keepCrc: true }),
    'cut-prefix': Buffer.concat(encodeFrame(ping)).subarray(0, 31),
    'cut-header': Buffer.concat(encodeFrame(ping)).subarray(0, 40),
    'cut-payload': Buffer.concat(encodeFrame(put)).subarray(0, -1),
  };
  const messageCases: Record<string, Buffer> = {
    identifier: changed(ping, (bytes) => bytes.write('MRC2', 36)),
    'root-out-of-bounds': changed(ping, (bytes) => bytes.writeUInt32LE(0x7ffffff0, 32)),
    'header-of-four-bytes': changed(ping, (bytes) => bytes.writeUInt32LE(4, 16), { resize: (bytes) => bytes.subarray(0, 36) }),
    'kind-of-another-body': changed(ping, (bytes) => bytes.writeUInt8(0x1a, 3)),
    'text-length': changed(log, (bytes) => bytes.writeUInt32LE(0x7fffffff, find(bytes, 'needle') - 4)),
    'text-not-utf8': changed(log, (bytes) => bytes.writeUInt8(0xff, find(bytes, 'needle'))),
    'text-without-zero': changed(log, (bytes) => bytes.writeUInt8(1, find(bytes, 'needle') + 6)),
    'text-empty': changed(segment, (bytes) => bytes.fill(0, find(bytes, 'needle') - 4, find(bytes, 'needle') + 1)),
    'digest-upper-case': changed(segment, (bytes) => bytes.write('D', find(bytes, 'dddd'))),
    'enum-unknown': changed(log, (bytes) => bytes.writeUInt8(99, bytes.lastIndexOf(4))),
    'payload-crc': changed(put, (bytes) => bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)),
    'payload-missing': changed(put, (bytes) => bytes.writeUInt32LE(0, 20), { resize: (bytes) => bytes.subarray(0, bytes.length - payload.length) }),
    'number-above-2-53': changed(encodeMessage(7, { type: 'Cancel', target: Number.MAX_SAFE_INTEGER, reason: 'cancel' }), (bytes) => {
      bytes.writeUInt8(0x7f, bytes.indexOf(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x00])) + 7);
    }),
  };
  const of = (cases: Record<string, Buffer>, layer: 'frame' | 'message') => Object.entries(cases).map(([name, bytes]) => [name, { layer, bytes }] as const);
  return Object.fromEntries([...of(frameCases, 'frame'), ...of(messageCases, 'message')]);
}

mkdirSync(join(vectors, 'hostile'), { recursive: true });
writeAccepted();
const refused = hostile();
for (const [name, { bytes }] of Object.entries(refused)) writeFileSync(join(vectors, 'hostile', `${name}.bin`), bytes);
const layers = Object.fromEntries(Object.entries(refused).map(([name, { layer }]) => [name, layer]));
writeFileSync(join(vectors, 'hostile', 'layers.json'), `${JSON.stringify(layers, null, 1)}\n`);
console.log(`wrote ${unionMembers('Body').length} accepted and ${Object.keys(refused).length} hostile vectors to schemas/vectors`);
