/** Records of the journal that pages get as they stand there (docs/records.md): read with care, as another version may have written them. Pure. */

type Loose = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly Loose[] => (Array.isArray(value) ? value.filter(isObject) : []);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

export interface ShownGap {
  readonly chunk: string;
  readonly code: string;
  readonly range: { readonly start: number; readonly end: number } | null;
  readonly acceptedBy: string;
}

export function gapsOf(manifest: unknown): ShownGap[] {
  if (!isObject(manifest)) return [];
  return listOf(manifest['gaps']).map(({ chunk, code, range, acceptedBy }) => ({
    chunk: textOf(chunk),
    code: textOf(code),
    range: isObject(range) && typeof range['start'] === 'number' && typeof range['end'] === 'number' ? { start: range['start'], end: range['end'] } : null,
    acceptedBy: textOf(acceptedBy),
  }));
}

/** Gaps that stand in pages of the manifest: a job has very many. */
export function gapsInPages(manifest: unknown): number {
  if (!isObject(manifest)) return 0;
  return listOf(manifest['pages']).reduce((sum, { list, count }) => (list === 'gaps' && typeof count === 'number' ? sum + count : sum), 0);
}

export interface ShownPin {
  /** Such as `dialect.delimiter`. */
  readonly key: string;
  readonly value: string;
  readonly how: 'set' | 'detected';
  /** How sure the probe was, and what came next; or why. Empty when nothing is to say. */
  readonly why: string;
}

export interface ShownPins {
  readonly name: string;
  readonly pins: readonly ShownPin[];
  readonly fields: readonly { readonly name: string; readonly type: string; readonly isInferred: boolean }[];
  readonly notes: readonly string[];
}

/** What was pinned of each input: by the evidence that the probe left, *set* by the spec or *detected* in the data. */
export function pinsOf(pins: Loose): ShownPins[] {
  return listOf(pins['inputs']).map((input) => {
    const inferred = new Set(Array.isArray(input['inferred']) ? input['inferred'] : []);
    const schema = isObject(input['schema']) ? input['schema'] : {};
    return {
      name: textOf(input['name']),
      pins: listOf(input['evidence']).map(({ path, how, value, confidence, runnerUp, note }) => ({
        key: textOf(path),
        value: shownValue(value),
        how: how === 'set' ? 'set' : 'detected',
        why: [
          typeof confidence === 'number' && confidence < 1 ? `${Math.round(confidence * 100)} % sure` : '',
          typeof runnerUp === 'string' && runnerUp.trim() !== '' ? `next ${runnerUp}` : '',
          typeof note === 'string' ? note : '',
        ]
          .filter((text) => text !== '')
          .join(', '),
      })),
      fields: listOf(schema['fields']).map(({ name, type }) => ({ name: textOf(name), type: textOf(type), isInferred: inferred.has(name) })),
      notes: (Array.isArray(input['notes']) ? input['notes'] : []).map(textOf),
    };
  });
}

const shownValue = (value: unknown): string => (value === null || value === '' ? 'none' : textOf(value));
