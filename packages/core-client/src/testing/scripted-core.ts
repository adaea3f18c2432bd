/**
 * A core for tests that does what it is told, over any two streams. It speaks the real wire; what it makes of a request stands in the request: store
 * requests by their key, `Process` by its attempt. Nothing is stored anywhere.
 */
import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import {
  type CoreHello,
  type Counts,
  type DoneBody,
  decodeHostHello,
  decodeRequest,
  encodeFrame,
  encodeMessage,
  type Frame,
  FrameReader,
  type HostHello,
  type Message,
  type Process,
  protocolVersion,
  type Received,
  type Request,
  schemaHashBytes,
} from '@millrace/protocol/wire';

/** How the core greets, or that it does not. */
export type Greeting = 'right' | 'silent' | 'otherSchema' | 'otherNonce' | 'notHello' | 'pollution' | 'exit64' | 'crash';

export interface ScriptedCoreOptions {
  readonly greeting: Greeting;
  readonly pid: number;
  /** Ends the core's process, or stands in for that. */
  exit(code: number): void;
  /** Ends it by a signal. */
  die(signal: NodeJS.Signals): void;
  /** Blocks it for good, so that not even `Cancel` is seen. */
  hang(): void;
  writeStderr(text: string): void;
}

/** Runs until the input ends. */
export function runScriptedCore(input: Readable, output: Writable, options: ScriptedCoreOptions): void {
  const core = new ScriptedCore(output, options);
  const reader = new FrameReader();
  input.on('data', (bytes: Uint8Array) => {
    for (const frame of reader.push(bytes)) core.take(frame);
  });
  input.on('end', () => options.exit(0));
}

const counts: Counts = {
  recordsIn: 10,
  emitted: 7,
  filtered: 2,
  deduplicated: 0,
  rejected: 1,
  rowsOut: 7,
  repaired: 0,
  bytesIn: 200,
  blankLines: 0,
  commentLines: 0,
  suspectRecords: 0,
  damagedBytes: 0,
  damagedLines: 0,
};

class ScriptedCore {
  readonly #output: Writable;
  readonly #options: ScriptedCoreOptions;
  readonly #held = new Map<number, Request>();
  #hasGreeted = false;

  constructor(output: Writable, options: ScriptedCoreOptions) {
    this.#output = output;
    this.#options = options;
  }

  take(frame: Frame): void {
    if (this.#hasGreeted) {
      this.#answer(decodeRequest(frame));
      return;
    }
    this.#hasGreeted = true;
    this.#greet(decodeHostHello(frame));
  }

  #greet(hello: HostHello): void {
    const right: CoreHello = {
      type: 'CoreHello',
      protocol: protocolVersion,
      schemaHash: schemaHashBytes(),
      coreVersion: '0.0.0-scripted',
      resultVersion: 1,
      nonce: hello.nonce,
      pid: this.#options.pid,
      sandbox: 'none',
      sandboxMissing: [],
      kernel: 'scalar',
      features: [],
    };
    switch (this.#options.greeting) {
      case 'right':
        this.#send(0, right);
        return;
      case 'silent':
        return;
      case 'otherSchema':
        this.#send(0, { ...right, schemaHash: new Uint8Array(32) });
        return;
      case 'exit64':
        this.#send(0, { ...right, schemaHash: new Uint8Array(32) });
        this.#options.exit(64);
        return;
      case 'otherNonce':
        this.#send(0, { ...right, nonce: new Uint8Array(16) });
        return;
      case 'notHello':
        this.#send(1, { type: 'Log', level: 'info', message: 'too early', fieldsJson: '{}' });
        return;
      case 'pollution':
        return void this.#output.write('hello from a library\n');
      case 'crash':
        this.#options.writeStderr("thread 'main' panicked at start\n");
        this.#options.die('SIGABRT');
        return;
    }
  }

  #answer({ requestId, message, payload }: Received<Request>): void {
    switch (message.type) {
      case 'StoreGet':
        this.#get(requestId, message.key, message.call.deadlineMs);
        return;
      case 'StorePut':
        this.#done(requestId, { type: 'StorePutDone', outcome: 'won', etag: `${payload.length}` });
        return;
      case 'StoreList':
        this.#done(requestId, {
          type: 'StoreListDone',
          more: false,
          entries: [{ key: message.prefix === 'lie' ? 'elsewhere' : `${message.prefix}a`, size: 1, etag: 'e', modifiedAtMs: 0 }],
        });
        return;
      case 'StoreDelete':
        this.#done(requestId, {
          type: 'StoreDeleteDone',
          results: message.keys.map((key) => ({ key: key === 'lie' ? 'other' : key, outcome: 'deleted' })),
        });
        return;
      case 'Process':
        this.#process(requestId, message);
        return;
      case 'Cancel':
        this.#cancel(requestId, message.target);
        return;
      case 'Ping':
        this.#done(requestId, { type: 'PingDone', rssBytes: 1, budgetBytes: 2, recordsIn: 3, bytesIn: this.#held.size });
        return;
      default:
        this.#failed(requestId, 'SPEC_NOT_AVAILABLE');
        return;
    }
  }

  #get(requestId: number, key: string, deadlineMs: number): void {
    switch (key) {
      case 'crash':
        this.#options.writeStderr('about to die\n');
        this.#options.die('SIGSEGV');
        return;
      case 'outOfMemory':
        this.#options.writeStderr('memory allocation of 1048576 bytes failed\n');
        this.#options.die('SIGABRT');
        return;
      case 'exit':
        this.#options.exit(70);
        return;
      case 'hang':
        this.#options.hang();
        return;
      case 'hold':
        return void this.#held.set(requestId, { type: 'Ping', leaseLeftMs: deadlineMs });
      case 'fail':
        this.#failed(requestId, 'STORAGE_TIMEOUT');
        return;
      case 'panic':
        this.#failed(requestId, 'CORE_PANIC');
        return;
      case 'pollute':
        return void this.#output.write('a line that is no frame, long enough to be a prefix\n');
      case 'twice':
        this.#found(requestId, 'once');
        this.#found(requestId, 'again');
        return;
      case 'unknown':
        this.#found(requestId + 1000, 'who asked');
        return;
      case 'foreign':
        this.#done(requestId, { type: 'PingDone', rssBytes: 0, budgetBytes: 0, recordsIn: 0, bytesIn: 0 });
        return;
      case 'event':
        this.#send(requestId, {
          type: 'Progress',
          phase: 'read',
          recordsIn: 0,
          emitted: 0,
          filtered: 0,
          rejected: 0,
          bytesIn: 0,
          bytesTotal: 0,
          byte: 0,
          record: 0,
          line: 0,
          rssBytes: 0,
          spillBytes: 0,
        });
        return;
      case 'short':
        this.#done(requestId, { type: 'StoreGetDone', object: { etag: 'e', size: 10, modifiedAtMs: 0 } }, Buffer.from('four'));
        return;
      case 'partial':
        // A frame that the process's end cuts.
        this.#output.write(
          Buffer.concat(
            encodeFrame(
              encodeMessage(
                requestId,
                { type: 'Done', body: { type: 'StoreGetDone', object: { etag: 'e', size: 8, modifiedAtMs: 0 } } },
                Buffer.from('all of it'),
              ),
            ),
          ).subarray(0, -3),
        );
        this.#options.exit(1);
        return;
      case 'log':
        this.#options.writeStderr(`${JSON.stringify({ level: 'INFO', message: 'a line of the core', file: 3 })}\nplain text\n`);
        this.#found(requestId, key);
        return;
      case 'flood':
        for (let line = 0; line < 60; line += 1) this.#options.writeStderr(`${'x'.repeat(64 * 1024)}\n`);
        this.#found(requestId, key);
        return;
      case 'absent':
        this.#done(requestId, { type: 'StoreGetDone', object: null });
        return;
      default:
        this.#found(requestId, key);
        return;
    }
  }

  #found(requestId: number, text: string): void {
    const bytes = Buffer.from(text);
    this.#done(requestId, { type: 'StoreGetDone', object: { etag: 'e', size: bytes.length, modifiedAtMs: 0 } }, bytes);
  }

  #process(requestId: number, message: Process): void {
    this.#send(requestId, {
      type: 'Progress',
      phase: 'read',
      recordsIn: 5,
      emitted: 4,
      filtered: 1,
      rejected: 0,
      bytesIn: 100,
      bytesTotal: 200,
      byte: 100,
      record: 6,
      line: 7,
      rssBytes: 1,
      spillBytes: 0,
    });
    this.#send(requestId, { type: 'Log', level: 'info', message: 'a fact', fieldsJson: '{}' });
    if (message.attemptId === 'hold') return void this.#held.set(requestId, message);
    if (message.attemptId === 'crash') {
      this.#options.die('SIGKILL');
      return;
    }
    const isTrial = message.mode === 'trial';
    const attemptId = message.attemptId === 'lie' ? 'another' : message.attemptId;
    const receipt = Buffer.from(JSON.stringify({ record: 'verdict', version: 1, outcome: 'committed', attemptId }));
    this.#chunkDone(
      requestId,
      isTrial ? 'trialOk' : 'committed',
      isTrial ? null : receipt,
      message.attemptId === 'imbalance' ? { ...counts, emitted: 8 } : counts,
    );
  }

  #chunkDone(requestId: number, outcome: 'committed' | 'cancelled' | 'trialOk', receipt: Buffer | null, sums: Counts): void {
    const digest = receipt === null ? null : createHash('sha256').update(receipt).digest('hex');
    const phases = { readUs: 1, decodeUs: 2, transformUs: 3, encodeUs: 4, writeUs: 5, commitUs: 6 };
    this.#done(requestId, { type: 'ChunkDone', outcome, verdictDigest: digest, counts: sums, byCode: [], phases, peakRssBytes: 1 }, receipt ?? undefined);
  }

  /** The target answers for itself, then the request to end it does. */
  #cancel(requestId: number, target: number): void {
    const held = this.#held.get(target);
    this.#held.delete(target);
    if (held?.type === 'Process') this.#chunkDone(target, 'cancelled', null, counts);
    else if (held !== undefined) this.#failed(target, 'STORAGE_TIMEOUT');
    this.#done(requestId, { type: 'CancelDone' });
  }

  #failed(requestId: number, code: string): void {
    this.#send(requestId, {
      type: 'Failed',
      code,
      class: 'transient',
      message: `scripted ${code}`,
      details: '{}',
      causes: [],
      position: null,
      bytesDone: 0,
      recordsDone: 0,
      peakRssBytes: 0,
      retryAfterMs: null,
      backtrace: null,
    });
  }

  #done(requestId: number, body: DoneBody, payload?: Uint8Array): void {
    this.#send(requestId, { type: 'Done', body }, payload);
  }

  #send(requestId: number, message: Message, payload?: Uint8Array): void {
    for (const piece of encodeFrame(encodeMessage(requestId, message, payload))) this.#output.write(piece);
  }
}
