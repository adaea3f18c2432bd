/**
 * Every kind of record in the journal, and the way from bytes to records and back. Readers ignore fields they do not know, so a record written by a
 * newer version stays readable; what they need must be there and of the right type.
 */
import type { z } from 'zod';

import { auditShape } from './audit.ts';
import { callbackShape } from './callback.ts';
import { canonicalJson } from './canonical-json.ts';
import { commandShape } from './command.ts';
import { correctionPartShape, correctionShape } from './correction.ts';
import { deadLetterShape } from './dead-letter.ts';
import { failureRecordShape } from './failure-record.ts';
import { inputsRecordShape, jobRecordShape, openMarkerShape } from './job-record.ts';
import { maxRecordBytes } from './limits.ts';
import { manifestPageShape, manifestShape } from './manifest.ts';
import { leanPins, type Pins, pinsShape } from './pins.ts';
import { planEndShape, sealedShape, segmentShape } from './plan-segment.ts';
import { registryEntryShape } from './registry.ts';
import { verdictShape } from './verdict.ts';

export const recordShapes = {
  open: openMarkerShape,
  job: jobRecordShape,
  inputs: inputsRecordShape,
  pins: pinsShape,
  segment: segmentShape,
  planEnd: planEndShape,
  sealed: sealedShape,
  verdict: verdictShape,
  failure: failureRecordShape,
  deadLetter: deadLetterShape,
  command: commandShape,
  manifest: manifestShape,
  manifestPage: manifestPageShape,
  registry: registryEntryShape,
  audit: auditShape,
  callback: callbackShape,
  correction: correctionShape,
  correctionPart: correctionPartShape,
} as const;

export type RecordKind = keyof typeof recordShapes;
export type RecordOf<Kind extends RecordKind> = z.output<(typeof recordShapes)[Kind]>;
export type AnyRecord = { [Kind in RecordKind]: RecordOf<Kind> }[RecordKind];

/** The bytes under a key are not the record that should be there. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  /** A broken record is a broken invariant: nobody but us writes there. */
  readonly code = 'JOURNAL_UNSAFE';
}

/** Throws `RecordError` naming every problem by JSON Pointer. */
export function parseRecord<Kind extends RecordKind>(kind: Kind, bytes: Uint8Array): RecordOf<Kind> {
  return checkedAs(kind, parseJson(kind, bytes));
}

function checkedAs<Kind extends RecordKind>(kind: Kind, json: unknown): RecordOf<Kind> {
  const found = recordKindOf(json);
  if (found !== kind) throw new RecordError(`cannot read a ${kind} record: it says record: ${JSON.stringify(found)}`);
  const result = recordShapes[kind].safeParse(json);
  if (result.success) return result.data as RecordOf<Kind>;
  throw new RecordError(`cannot read a ${kind} record: ${result.error.issues.map(issueText).join('; ')}`);
}

/** For keys that may hold one of several kinds, such as the next plan number: a segment or the end mark. */
export function parseRecordOf<Kind extends RecordKind>(kinds: readonly Kind[], bytes: Uint8Array): RecordOf<Kind> {
  const json = parseJson(kinds.join(' or '), bytes);
  const found = recordKindOf(json);
  const kind = kinds.find((candidate) => candidate === found);
  if (kind === undefined) throw new RecordError(`cannot read a ${kinds.join(' or ')} record: it says record: ${JSON.stringify(found)}`);
  return checkedAs(kind, json);
}

/**
 * The bytes to store. `record` and `version` come first; members are written in canonical form, so the spec of a job stands there literally as its
 * digest was taken. Throws when a field is missing or the record outgrows a frame.
 */
export function encodeRecord<Kind extends RecordKind>(kind: Kind, record: RecordOf<Kind>): Uint8Array {
  const result = recordShapes[kind].safeParse(record);
  if (!result.success) throw new RecordError(`cannot write a ${kind} record: ${result.error.issues.map(issueText).join('; ')}`);
  const data: Record<string, unknown> = kind === 'pins' ? leanPins(result.data as Pins) : result.data;
  const { record: _kind, version: _version, ...members } = data;
  const text = Object.entries(members).map(([name, value]) => `,${JSON.stringify(name)}:${canonicalJson(value)}`);
  const bytes = new TextEncoder().encode(`{"record":${JSON.stringify(kind)},"version":1${text.join('')}}`);
  if (bytes.length > maxRecordBytes) throw new RecordError(`cannot write a ${kind} record: expected at most ${maxRecordBytes} bytes, got ${bytes.length}`);
  return bytes;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(kind: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new RecordError(`cannot read a ${kind} record: not JSON in UTF-8`, { cause: error });
  }
}

function recordKindOf(json: unknown): unknown {
  return typeof json === 'object' && json !== null && 'record' in json ? json.record : undefined;
}

function issueText(issue: { path: PropertyKey[]; message: string }): string {
  return `${issue.path.map((part) => `/${String(part)}`).join('') || '/'}: ${issue.message}`;
}
