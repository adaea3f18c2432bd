/**
 * List files: one URI a line, or one JSON object a line that says more of the file. Lines without a character and a byte order mark are passed over.
 * Nothing in a line is a pattern. Pure.
 */
import { z } from 'zod';

import { resolvePlace } from './places.ts';
import { digest } from './record-shapes.ts';

export interface ListedFile {
  readonly uri: string;
  readonly etag: string | null;
  readonly sha256: string | null;
  readonly records: number | null;
  /** From 1. */
  readonly line: number;
}

export interface ListProblem {
  readonly line: number;
  readonly message: string;
}

const entryShape = z.strictObject({
  uri: z.string().min(1),
  etag: z.string().min(1).nullish(),
  sha256: digest.nullish(),
  records: z.int().min(0).nullish(),
});

/** The files in order, or the first line that is wrong. */
export function parseInputList(text: string): { readonly files: readonly ListedFile[] } | ListProblem {
  const files: ListedFile[] = [];
  for (const [index, written] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (written.trim() === '') continue;
    const entry = parseLine(written.trim());
    if (typeof entry === 'string') return { line: index + 1, message: entry };
    files.push({ ...entry, line: index + 1 });
  }
  return { files };
}

function parseLine(line: string): Omit<ListedFile, 'line'> | string {
  const entry = line.startsWith('{') ? parseObject(line) : { uri: line };
  if (typeof entry === 'string') return entry;
  // As the place of an output is read: no character in it makes a pattern.
  const placed = resolvePlace(entry.uri, 'output', null);
  if (!('uri' in placed)) return placed.message;
  return { uri: placed.uri, etag: entry.etag ?? null, sha256: entry.sha256 ?? null, records: entry.records ?? null };
}

function parseObject(line: string): z.output<typeof entryShape> | string {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (err) {
    return `expected a URI or a JSON object: ${(err as Error).message}`;
  }
  const result = entryShape.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  return `${issue?.path.join('.') || 'the object'}: ${issue?.message ?? 'is another one'}`;
}
