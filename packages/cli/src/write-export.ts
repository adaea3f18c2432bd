/** Where an export of rejects goes, and its writing: a file that appears whole, or stdout. */
import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type CommandCall, textFlag } from './command.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import { count } from './output.ts';

export interface ExportTarget {
  readonly path: string;
  readonly format: 'csv' | 'ndjson';
}

const isStdout = ({ path }: ExportTarget): boolean => path === '-';

/** From `-o FILE` and `--format`. */
export function exportTarget(call: CommandCall): ExportTarget {
  const path = textFlag(call.flags, 'out');
  if (path === undefined) throw new CommandError(exitCodes.usage, 'expected where to export to', 'Add -o FILE; its ending says the format.');
  const written = textFlag(call.flags, 'format');
  const format = written ?? path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (format === 'csv' || format === 'ndjson') return { path, format };
  if (format === 'parquet' || format === 'pq') {
    const hint = 'Export .ndjson and `millrace run rejects.ndjson --out DIR`; the rejects of a directory lie in its _rejects/ as Parquet.';
    throw new CommandError(exitCodes.usage, 'an export as parquet is not available in this version', hint, { code: 'SPEC_NOT_AVAILABLE' });
  }
  if (written !== undefined) throw new CommandError(exitCodes.usage, `expected csv or ndjson for --format, got ${JSON.stringify(written)}`);
  throw new CommandError(exitCodes.usage, `expected FILE to end in .csv or .ndjson, got ${path}`, 'Or say --format csv.');
}

/** Beside its place first: a file that is there is whole. */
export async function writeExport(call: CommandCall, target: ExportTarget, chunks: AsyncIterable<string | Uint8Array>): Promise<void> {
  if (isStdout(target)) {
    for await (const chunk of chunks) call.output.raw(chunk);
    return;
  }
  const { path } = target;
  const unfinished = `${path}.part`;
  try {
    await pipeline(Readable.from(chunks, { objectMode: true }), createWriteStream(unfinished), { signal: call.signal });
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    if (call.signal.aborted) throw new CommandError(exitCodes.interrupted, `interrupted: nothing was written to ${path}`);
    const { syscall, message } = error as NodeJS.ErrnoException;
    throw syscall === undefined ? error : new CommandError(exitCodes.failed, `cannot write ${path}: ${message}`);
  }
}

/** `exported`: null where nobody has counted. */
export function sayExported(call: CommandCall, target: ExportTarget, exported: number): void {
  if (isStdout(target)) return;
  call.output.document({ file: target.path, format: target.format, rejects: exported });
  call.output.line(`${count(exported)} ${exported === 1 ? 'reject' : 'rejects'} in ${target.path}`);
}
