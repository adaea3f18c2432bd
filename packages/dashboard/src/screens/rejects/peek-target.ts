/** What the address of a peek asks for: a reject, a record by its number, or the record that a byte lies in. Pure. */

export interface PeekSearch {
  readonly file?: string | undefined;
  readonly at?: string | undefined;
  readonly record?: string | undefined;
  readonly reject?: string | undefined;
}

export type PeekTarget =
  | { readonly kind: 'reject'; readonly rejectId: string }
  | { readonly kind: 'record'; readonly file: string; readonly record: string }
  | { readonly kind: 'byte'; readonly file: string; readonly byte: string };

/** Digits as people write them, such as `1,204,551`; null for anything else. */
export function wholeNumber(text: string): string | null {
  const digits = text.replaceAll(/[\s,_]/g, '');
  return /^\d{1,16}$/.test(digits) && Number.isSafeInteger(Number(digits)) ? String(Number(digits)) : null;
}

/** Null: nothing is asked for yet. A reject may leave out the job, as on the command line. */
export function peekTarget(jobId: string, { file = '0', at, record, reject }: PeekSearch): PeekTarget | null {
  if (reject !== undefined) return { kind: 'reject', rejectId: reject.startsWith(`${jobId}.`) ? reject : `${jobId}.${reject}` };
  const number = wholeNumber(file) ?? '0';
  const wanted = record === undefined ? null : wholeNumber(record);
  if (wanted !== null && wanted !== '0') return { kind: 'record', file: number, record: wanted };
  const byte = at === undefined ? null : wholeNumber(at);
  return byte === null ? null : { kind: 'byte', file: number, byte };
}

export function peekCommand(jobId: string, target: PeekTarget): string {
  switch (target.kind) {
    case 'reject':
      return `millrace peek ${jobId} --reject ${target.rejectId.slice(jobId.length + 1)}`;
    case 'record':
      return `millrace peek ${jobId} --record ${target.record} --file ${target.file}`;
    case 'byte':
      return `millrace peek ${jobId} --at ${target.byte} --file ${target.file}`;
    default:
      return target satisfies never;
  }
}
