/** What the tests of this package share: a Redis, a journal directory, schedulers on them, and somebody who asks. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { corePath } from '@millrace/core-client';
import {
  type AnswerTo,
  fileUri,
  isTerminalJobState,
  type JobId,
  type JobSpec,
  type JobStatus,
  jobIdFromKey,
  newRequestId,
  parseTaskKeys,
  type RedriveRequest,
  resolveJobSpec,
  type SubmitRequest,
} from '@millrace/protocol';
import { startTestRedis, type TestRedis } from '@millrace/queues/testing';
import { idSource, silentLog } from '@millrace/service-kit';
import { acceptJob } from '../intake.ts';
import { resolveInputs } from '../resolve-inputs.ts';
import { type RunningScheduler, type SchedulerOptions, startScheduler } from '../start-scheduler.ts';

const timeScale = 1 / 30;
const ids = idSource();

export class Bench {
  readonly directory: string;
  readonly redis: TestRedis;
  readonly #running = new Set<RunningScheduler>();

  private constructor(directory: string, redis: TestRedis) {
    this.directory = directory;
    this.redis = redis;
  }

  static async set(): Promise<Bench> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-scheduler-'));
    for (const name of ['journal', 'in', 'out', 'scratch']) await mkdir(join(directory, name));
    return new Bench(directory, await startTestRedis());
  }

  async startScheduler(options: Partial<SchedulerOptions> = {}): Promise<RunningScheduler> {
    const running = await startScheduler({
      redis: this.redis.url,
      journal: fileUri(join(this.directory, 'journal')),
      core: corePath(),
      taskKeys: parseTaskKeys(`k1:${'0'.repeat(64)}`),
      pool: 'default',
      timeScale,
      readRoots: [join(this.directory, 'in')],
      writeRoots: [join(this.directory, 'out')],
      scratch: join(this.directory, 'scratch'),
      log: silentLog,
      ...options,
    });
    this.#running.add(running);
    return running;
  }

  async stopScheduler(running: RunningScheduler): Promise<void> {
    this.#running.delete(running);
    await running.stop();
  }

  /** A file of so many chunks of the scripted host. */
  async file(name: string, chunks: number): Promise<string> {
    const path = join(this.directory, 'in', name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, '0123456789'.repeat(chunks));
    return fileUri(path);
  }

  spec(uri: string | string[], changes: Partial<JobSpec> = {}, out = 'job'): JobSpec {
    return { name: 'orders', inputs: { uri }, output: { uri: `${fileUri(join(this.directory, 'out', out))}/` }, ...changes };
  }

  async clear(): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
    await this.redis.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

const head = () => ({ requestId: newRequestId(ids), tenant: 'default', by: 'test' });
const patience = { timeoutMs: 120_000 };

export function submitRequest(key: string, spec: JobSpec): SubmitRequest {
  return { kind: 'submit', ...head(), jobId: jobIdFromKey('default', key), idempotencyKey: key, spec: resolveJobSpec(spec) };
}

export function submit(of: RunningScheduler, key: string, spec: JobSpec): Promise<AnswerTo<'submit'>> {
  return of.control.queues.requests.ask(submitRequest(key, spec), patience);
}

export async function accepted(of: RunningScheduler, key: string, spec: JobSpec): Promise<JobId> {
  const answer = await submit(of, key, spec);
  if (!answer.ok) throw new Error(`not accepted: ${answer.message}`);
  return answer.jobId;
}

/** Accepts a job whose spec was checked by nothing but the schema. */
export async function acceptedUnchecked({ control }: RunningScheduler, key: string, spec: JobSpec): Promise<JobId> {
  const request = submitRequest(key, spec);
  const resolved = resolveJobSpec(spec);
  const answer = await acceptJob(request, resolved, { files: await resolveInputs(resolved, control), lookups: [] }, control);
  if (!answer.ok) throw new Error(`not accepted: ${answer.message}`);
  return answer.jobId;
}

export function redrive(of: RunningScheduler, jobId: JobId, changes: Partial<RedriveRequest> = {}): Promise<AnswerTo<'redrive'>> {
  return of.control.queues.requests.ask({ kind: 'redrive', ...head(), jobId, reason: 'a test', select: 'all', spec: null, ...changes }, patience);
}

export function command(of: RunningScheduler, jobId: JobId, word: 'pause' | 'resume' | 'cancel'): Promise<AnswerTo<'command'>> {
  return of.control.queues.requests.ask({ kind: 'command', ...head(), jobId, command: word, reason: 'a test' }, patience);
}

export function result(of: RunningScheduler, jobId: JobId): Promise<AnswerTo<'result'>> {
  return of.control.queues.requests.ask({ kind: 'result', ...head(), jobId }, patience);
}

export async function statusOf(of: RunningScheduler, jobId: JobId): Promise<JobStatus> {
  const answer = await of.control.queues.requests.ask({ kind: 'status', ...head(), jobId }, patience);
  if (!answer.ok) throw new Error(answer.message);
  return answer.status;
}

/** Polls with a deadline; the failure shows the status. */
export async function untilStatus(of: RunningScheduler, jobId: JobId, isIt: (status: JobStatus) => boolean, deadlineMs = 120_000): Promise<JobStatus> {
  for (const startMs = performance.now(); ; await sleep(25)) {
    const status = await statusOf(of, jobId);
    if (isIt(status)) return status;
    if (performance.now() - startMs > deadlineMs) throw new Error(`it did not come to that: ${JSON.stringify(status)}`);
  }
}

export function untilEnd(of: RunningScheduler, jobId: JobId, generation = 1): Promise<JobStatus> {
  return untilStatus(of, jobId, (status) => isTerminalJobState(status.state) && status.generation === generation);
}
