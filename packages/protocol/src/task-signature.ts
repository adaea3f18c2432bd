/**
 * Signatures of tasks. Redis is not trusted to say what to run: schedulers sign the id of a task with a key that Redis never sees, and hosts
 * verify it before anything else. A replayed id is harmless, because the verdict decides. Keys rotate: the first of the list signs, all verify.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

import type { TaskId } from './ids.ts';
import type { QueueName } from './task.ts';

export interface TaskKey {
  readonly keyId: string;
  /** 32 bytes. */
  readonly secret: Uint8Array;
}

/** First signs, all verify; never empty. */
export type TaskKeys = readonly [TaskKey, ...TaskKey[]];

const signatureVersion = 'millrace-task-1';
const macBytes = 16;
const keyPattern = /^([A-Za-z0-9][A-Za-z0-9-]{0,31}):([0-9a-f]{64})$/;
const signaturePattern = /^([A-Za-z0-9][A-Za-z0-9-]{0,31})\.([0-9a-f]{32})$/;

/** Reads `<keyId>:<64 hex digits>`, several separated by commas. Throws without repeating the text: it is a secret. */
export function parseTaskKeys(text: string): TaskKeys {
  const keys = text.split(',').map((entry, index) => {
    const match = keyPattern.exec(entry.trim());
    if (!match) throw new TypeError(`cannot read task keys: entry ${index + 1} is not <keyId>:<64 hex digits>`);
    return { keyId: match[1] ?? '', secret: Buffer.from(match[2] ?? '', 'hex') };
  });
  if (new Set(keys.map((key) => key.keyId)).size !== keys.length) throw new TypeError('cannot read task keys: two entries have the same key id');
  const [first, ...others] = keys;
  if (!first) throw new TypeError('cannot read task keys: there is none');
  return [first, ...others];
}

/** `<keyId>.<mac>`: HMAC-SHA-256 over version, queue and task id, of which 128 bits are kept, in hex. */
export function signTask(queue: QueueName, taskId: TaskId, keys: TaskKeys): string {
  return `${keys[0].keyId}.${Buffer.from(macOf(queue, taskId, keys[0])).toString('hex')}`;
}

/** True only for a signature by one of the keys over exactly this queue and task. Takes the same time for every wrong mac. */
export function verifyTask(queue: QueueName, taskId: string, signature: string | null, keys: TaskKeys): boolean {
  const match = signaturePattern.exec(signature ?? '');
  const key = match && keys.find((candidate) => candidate.keyId === match[1]);
  if (!match || !key) return false;
  return timingSafeEqual(macOf(queue, taskId, key), Buffer.from(match[2] ?? '', 'hex'));
}

function macOf(queue: string, taskId: string, key: TaskKey): Uint8Array {
  const text = JSON.stringify([signatureVersion, queue, taskId]);
  return createHmac('sha256', preparedKey(key)).update(text).digest().subarray(0, macBytes);
}

/** Making a key ready takes several times as long as signing with it. */
const prepared = new WeakMap<TaskKey, KeyObject>();

function preparedKey(key: TaskKey): KeyObject {
  const known = prepared.get(key);
  if (known !== undefined) return known;
  const made = createSecretKey(key.secret);
  prepared.set(key, made);
  return made;
}
