/**
 * Secrets that this installation holds: a directory with one file for each, named by what stands behind `secret://`. What is read goes to where it is needed
 * and nowhere else: not into logs, records or messages.
 */
import { open, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AppError } from './errors.ts';

const mostBytes = 64 << 10;

/** Throws `SPEC_KEY_MISSING` when it is not held here, saying why and nothing of it. */
export async function readSecret(name: string, directory: string | null): Promise<Uint8Array> {
  if (directory === null) throw missing(name, 'no directory of secrets is set up (MILLRACE_SECRETS)');
  const steps = name.replace(/^secret:\/\//, '').split('/');
  if (!steps.every((step) => /^[a-z0-9_-][a-z0-9._-]*$/.test(step))) throw missing(name, 'expected names of letters, digits, ".", "_" and "-" between slashes');
  const root = await realpath(directory).catch(() => null);
  const path = await realpath(join(directory, ...steps)).catch(() => null);
  if (root === null || path === null) throw missing(name, 'there is no such file in the directory of secrets');
  if (!path.startsWith(root + sep)) throw missing(name, 'it leads out of the directory of secrets');
  return withoutLineEnd(await readSmall(path, name));
}

async function readSmall(path: string, name: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > mostBytes) throw missing(name, `expected a file of at most ${mostBytes} bytes`);
    const bytes = await file.readFile();
    if (bytes.length === 0) throw missing(name, 'its file is empty');
    return bytes;
  } finally {
    await file.close();
  }
}

/** Editors end a file with a line end that nobody meant to be part of the key. */
function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === 0x0a ? bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1) : bytes;
}

function missing(name: string, why: string): AppError {
  return new AppError('SPEC_KEY_MISSING', `cannot use ${name}: ${why}`);
}
