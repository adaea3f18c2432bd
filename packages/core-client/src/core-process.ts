/**
 * One core as a child process: spawn, `Hello`, end. It is ended by closing its stdin or by killing it, and only the stream's `close` counts as its end,
 * because data may follow the process's `exit`. It never outlives us: besides the end of stdin the core asks the kernel for a signal at our death.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { isMainThread } from 'node:worker_threads';
import {
  type CoreHello,
  type DoneOf,
  decodeCoreHello,
  encodeMessage,
  type Frame,
  type HostHello,
  type PingDone,
  protocolVersion,
  schemaHash,
  schemaHashBytes,
  WireError,
} from '@millrace/protocol/wire';
import type { Connections } from './connections.ts';
import { type Answer, CoreClient, type RequestInput, type RequestOptions } from './core-client.ts';
import { type CoreEnd, type CoreGoneCode, CoreGoneError, classifyEnd, describeEnd, type KillReason } from './core-gone-error.ts';
import type { CoreLog } from './core-log.ts';
import { type CoreTimes, coreTimes } from './core-times.ts';
import type { CoreWatch } from './core-watch.ts';
import { FrameChannel } from './frame-channel.ts';
import { StderrTail } from './stderr-tail.ts';

/** What a caller says in `Hello`; the rest is ours to fill in. */
export type HelloOptions = Omit<HostHello, 'type' | 'protocol' | 'schemaHash' | 'nonce' | 'parentPid'>;

export interface CoreOptions {
  /** The program, absolute; `corePath()` unless configured. */
  readonly binary: string;
  readonly arguments?: readonly string[];
  /** The child's whole environment. Defaults to a plain locale and UTC; names of ambient credentials must be listed here to reach it. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly hello: HelloOptions;
  /** The stores of `hello.connections`, when any of them wants credentials. */
  readonly connections?: Connections;
  readonly log: CoreLog;
  /** Told of what goes through the pipes, and of each request that was answered. */
  readonly watch?: CoreWatch | undefined;
  /** Multiplies the times a host waits. Defaults to 1. */
  readonly timeScale?: number;
}

/** A core that has said `Hello`. */
export interface CoreProcess {
  readonly pid: number;
  readonly hello: CoreHello;
  /** False once it is gone or about to be killed. */
  readonly isAlive: boolean;
  /** True when it still answers but refuses work, after a panic. */
  readonly isSpent: boolean;
  /** Resolves, never rejects, when the process has ended and its pipes are closed. */
  readonly gone: Promise<CoreGoneError>;
  /** Asks once; see `RequestOptions`. Rejects with `CoreGoneError` when the core ends first. */
  request<R extends RequestInput>(request: R, options: RequestOptions): Promise<Answer<DoneOf[R['type']]>>;
  /** Memory and counts of the running request. `leaseLeftMs` tells the core the lease that its work request has now. */
  ping(options: { readonly deadlineMs: number; readonly leaseLeftMs?: number }): Promise<PingDone>;
  /** Closes stdin and waits for the end; kills when that takes too long. Open requests fail. */
  stop(): Promise<CoreGoneError>;
  /** SIGKILL to its process group, at once. Resolves at the end. */
  kill(reason: KillReason): Promise<CoreGoneError>;
}

const plainEnvironment = { LC_ALL: 'C', TZ: 'UTC' } as const;

/**
 * Starts a core and greets it. Rejects with `CoreGoneError`: `CORE_START` when the program does not start or greet in time, `CORE_VERSION` when it was
 * built from another schema, `PROTOCOL_VIOLATION` when it answers anything but `Hello`. No process is left behind in any of these cases.
 */
export async function startCore(options: CoreOptions): Promise<CoreProcess> {
  // The parent-death signal follows the thread that spawned the child.
  if (!isMainThread) throw new Error('cannot start a core: only the main thread may');
  const core = new ChildCore(options);
  await core.greet();
  return core;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

class ChildCore implements CoreProcess {
  readonly #options: CoreOptions;
  readonly #times: CoreTimes;
  readonly #child: Child;
  readonly #channel: FrameChannel;
  readonly #client: CoreClient;
  readonly #stderr: StderrTail;
  readonly gone: Promise<CoreGoneError>;
  #hello: CoreHello | null = null;
  readonly #greeting: PromiseWithResolvers<Frame> = Promise.withResolvers();
  #hasGreeted = false;
  #killedFor: KillReason | null = null;
  #killCause: unknown = undefined;
  #spawnError: Error | null = null;
  #isStopping = false;
  #hasExited = false;
  #hasClosed = false;

  constructor(options: CoreOptions) {
    this.#options = options;
    this.#times = coreTimes(options.timeScale);
    // Detached: a process group of its own, so that a signal to ours (Ctrl-C) leaves the order of a drain to us, and a kill takes the whole group.
    this.#child = spawn(options.binary, [...(options.arguments ?? [])], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...(options.environment ?? plainEnvironment), ...options.connections?.ambient() },
    });
    this.#stderr = new StderrTail(options.log, () => performance.now());
    this.#greeting.promise.catch(() => {});
    this.gone = new Promise((resolve) => this.#watchEnd(resolve));
    this.#channel = new FrameChannel(this.#child.stdout, this.#child.stdin, {
      onFrame: (frame) => this.#receive(frame),
      onViolation: (error) => void this.#killFor('violation', error),
      onEnd: (cutBytes) => this.#outputEnded(cutBytes),
      onBytes: options.watch?.bytes,
    });
    this.#client = new CoreClient({
      send: (frame) => this.#channel.send(frame),
      kill: (reason, cause) => void this.#killFor(reason, cause),
      cancelMs: this.#times.cancelMs,
      credentials: () => options.connections?.credentials() ?? [],
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get hello(): CoreHello {
    if (this.#hello === null) throw new Error('cannot read the Hello of a core that has not greeted');
    return this.#hello;
  }

  get isAlive(): boolean {
    return !this.#hasExited && !this.#hasClosed && this.#killedFor === null && !this.#isStopping;
  }

  get isSpent(): boolean {
    return this.#client.isSpent;
  }

  async request<R extends RequestInput>(request: R, options: RequestOptions): Promise<Answer<DoneOf[R['type']]>> {
    const sentAtMs = performance.now();
    let worked = false;
    try {
      const answer = await this.#client.request(request, options);
      worked = answer.failed === null;
      return answer;
    } finally {
      this.#options.watch?.request?.(request, (performance.now() - sentAtMs) / 1_000, worked);
    }
  }

  async ping(options: { readonly deadlineMs: number; readonly leaseLeftMs?: number }): Promise<PingDone> {
    const answer = await this.#client.request({ type: 'Ping', leaseLeftMs: options.leaseLeftMs ?? null }, options);
    if (answer.failed !== null) throw new Error(`cannot ping the core: ${answer.failed.message}`);
    return answer.done;
  }

  async stop(): Promise<CoreGoneError> {
    this.#isStopping = true;
    const timer = setTimeout(() => void this.#killFor('stop', null), this.#times.stopMs);
    // Not awaited: a core that reads nothing keeps the last write waiting.
    void this.#channel.endOutput();
    const end = await this.gone;
    clearTimeout(timer);
    return end;
  }

  kill(reason: KillReason): Promise<CoreGoneError> {
    return this.#killFor(reason, null);
  }

  /** Sends our `Hello` and holds the core's against it. */
  async greet(): Promise<void> {
    const nonce = Uint8Array.from(randomBytes(16));
    const timer = setTimeout(() => void this.#killFor('start', null), this.#times.startMs);
    try {
      const hello = {
        ...this.#options.hello,
        type: 'HostHello',
        protocol: protocolVersion,
        schemaHash: schemaHashBytes(),
        nonce,
        parentPid: process.pid,
      } as const;
      this.#channel.send(encodeMessage(0, hello)).catch(() => {});
      await this.#acceptHello(await this.#greeting.promise, nonce);
    } catch (error) {
      throw error instanceof CoreGoneError ? error : await this.#killFor('start', error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #acceptHello(frame: Frame, nonce: Uint8Array): Promise<void> {
    let hello: CoreHello;
    try {
      hello = decodeCoreHello(frame);
      if (!Buffer.from(hello.nonce).equals(nonce)) throw new WireError('the core greeted with another nonce than ours');
    } catch (error) {
      throw await this.#killFor('violation', error);
    }
    const theirs = Buffer.from(hello.schemaHash).toString('hex');
    if (hello.protocol !== protocolVersion || theirs !== schemaHash) {
      const end = await this.#killFor('start', null);
      throw new CoreGoneError(
        'CORE_VERSION',
        `cannot use the core ${hello.coreVersion}: it speaks protocol ${hello.protocol} with schema ${theirs.slice(0, 12)}, ` +
          `and this host (${this.#options.hello.hostVersion}) protocol ${protocolVersion} with schema ${schemaHash.slice(0, 12)}; build both from one checkout`,
        end,
      );
    }
    this.#hello = hello;
  }

  #receive(frame: Frame): void {
    if (!this.#hasGreeted) {
      if (frame.kind !== 'Hello') throw new WireError(`expected the core to greet with Hello, got ${frame.kind}`);
      this.#hasGreeted = true;
      this.#greeting.resolve(frame);
      return;
    }
    if (this.#hello === null) throw new WireError(`the core sent ${frame.kind} before its Hello was accepted`);
    this.#client.receive(frame);
  }

  /** A living core keeps its stdout. One that is ending closes soon; one that does not has cut us off. */
  #outputEnded(cutBytes: number): void {
    if (cutBytes > 0) this.#options.log.warn({ cutBytes, pid: this.pid }, 'core left a partial frame');
    const timer = setTimeout(() => void this.#killFor('violation', new WireError('the core closed its stdout and lives on')), this.#times.closeMs);
    void this.gone.then(() => clearTimeout(timer));
  }

  #killFor(reason: KillReason, cause: unknown): Promise<CoreGoneError> {
    if (this.#killedFor === null && !this.#hasExited) {
      this.#killedFor = reason;
      this.#killCause = cause ?? undefined;
      this.#signalGroup();
    }
    return this.gone;
  }

  /** Its pid may already belong to another process once it has exited, so nothing is signalled after that. */
  #signalGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#hasExited) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      this.#child.kill('SIGKILL');
    }
  }

  #watchEnd(resolve: (error: CoreGoneError) => void): void {
    const child = this.#child;
    child.stderr.on('data', (bytes: Uint8Array) => this.#stderr.push(bytes));
    child.stderr.on('error', () => {});
    child.on('error', (error) => {
      this.#spawnError ??= error;
    });
    child.once('exit', () => {
      this.#hasExited = true;
      // Somebody else may hold the other end of a pipe; we do not wait for them for ever.
      const timer = setTimeout(() => {
        for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      }, this.#times.closeMs);
      child.once('close', () => clearTimeout(timer));
    });
    child.once('close', (exitCode, signal) => {
      this.#hasClosed = true;
      this.#stderr.end();
      const error = this.#describe(exitCode, signal);
      this.#greeting.reject(error);
      this.#client.fail(error);
      resolve(error);
    });
  }

  #describe(exitCode: number | null, signal: NodeJS.Signals | null): CoreGoneError {
    const end: CoreEnd = { exitCode, signal, killedFor: this.#killedFor, stderrTail: this.#stderr.text() };
    if (this.#spawnError !== null && this.#child.pid === undefined) {
      return new CoreGoneError('CORE_START', `cannot start the core ${this.#options.binary}: ${this.#spawnError.message}`, end, this.#spawnError);
    }
    const code: CoreGoneCode = classifyEnd(end, this.#hello !== null);
    const why = this.#killCause instanceof Error ? `: ${this.#killCause.message}` : '';
    return new CoreGoneError(code, `${describeEnd(end)}${why}`, end, this.#killCause);
  }
}
