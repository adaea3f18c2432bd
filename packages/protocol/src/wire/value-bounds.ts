/** Ranges that the schema's attributes ask for, on values after reading and before writing. Which field has which is generated into `tables.ts`. */
import type { FieldDescription } from './table-description.ts';
import { WireError } from './wire-error.ts';

const digest = /^[0-9a-f]{64}$/;

/** Throws `WireError` with the path when a value is outside the bounds of its field. Absent values have none. */
export function checkValue(field: FieldDescription, value: unknown, path: string): void {
  if (value === null) return;
  if (field.exactly !== null || field.atLeast !== null || field.atMost !== null) checkRange(field, value, path);
  if (field.digest && !digest.test(value as string)) throw new WireError('expected a SHA-256 in lower-case hex', path);
  if (field.filled && value === '') throw new WireError('expected a text that is not empty', path);
}

function checkRange(field: FieldDescription, value: unknown, path: string): void {
  const amount = field.vector ? (value as ArrayLike<unknown>).length : (value as number);
  const [least, most] = [field.exactly ?? field.atLeast ?? 0, field.exactly ?? field.atMost ?? Number.MAX_SAFE_INTEGER];
  if (amount < least || amount > most) {
    throw new WireError(`expected ${least === most ? least : `${least} to ${most}`}${field.vector ? ' entries' : ''}, got ${amount}`, path);
  }
}
