/** The core alone over the bench file, in a process of its own: `crates/engine/examples/bare_core.rs`. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cargo, targetDir } from '../scripts/setup.js';

export interface BareCore {
  rows: number;
  rejected: number;
  bytesIn: number;
  bytesOut: number;
  /** To find the chunks; not part of `seconds`. */
  planSeconds: number;
  seconds: number;
  /** Of the processor, in user mode and in the kernel. */
  processorSeconds: number;
  /** Until what was written is durable. */
  syncSeconds: number;
  /** Of each round, with its planning; all the rest is of the last one. */
  roundSeconds: number[];
  phases: { read: number; decode: number; encode: number; write: number; commit: number };
}

export async function buildExample(crate: string, name: string): Promise<string> {
  await cargo(['build', '--release', '--locked', '-p', crate, '--example', name], name);
  return join(targetDir(), 'release', 'examples', name);
}

/** `typed` reads, types and checks; `convert` also writes Parquet with snappy, in chunks of 64 MiB. `rounds` times in one process. */
export function bareCore(binary: string, file: string, mode: 'typed' | 'convert', place = tmpdir(), rounds = 1): BareCore {
  const out = mkdtempSync(join(place, 'millrace-bench-'));
  try {
    return JSON.parse(execFileSync(binary, [file, out, mode, '64', 'snappy', String(rounds)], { encoding: 'utf8' }));
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
