/** What the form of a redrive offers to change, as it stands in the spec of a job, and the overrides that come of what was written. Pure. */
import { durationText, parseDuration, parseSize, sizeText } from '@millrace/protocol/browser';

type Kind = 'count' | 'ratio' | 'size' | 'duration' | 'sql';

export interface OverrideField {
  /** Place in the resolved spec, such as `execution.maxAttempts`. */
  readonly path: string;
  readonly kind: Kind;
  readonly label: string;
  readonly hint: string;
  /** As it stands, as people write it; empty: none. */
  readonly now: string;
  /** Empty means none, of a limit that need not be. */
  readonly mayBeNone: boolean;
}

export interface OverrideGroup {
  readonly title: string;
  readonly fields: readonly OverrideField[];
}

type Offer = Omit<OverrideField, 'now'>;

const budgets: readonly Offer[] = [
  { path: 'rejects.maxRows', kind: 'count', label: 'Rejects, at most', hint: 'Records. Empty: no limit.', mayBeNone: true },
  { path: 'rejects.maxRatio', kind: 'ratio', label: 'Rejects, share of records', hint: '0.01 is 1 %. Empty: no limit.', mayBeNone: true },
  { path: 'deadLetters.maxChunks', kind: 'count', label: 'Dead chunks, at most', hint: 'Empty: no limit.', mayBeNone: true },
  { path: 'deadLetters.maxRatio', kind: 'ratio', label: 'Dead chunks, share of bytes', hint: '0.01 is 1 %. Empty: no limit.', mayBeNone: true },
];

const limits: readonly Offer[] = [
  { path: 'execution.maxAttempts', kind: 'count', label: 'Attempts at a chunk', hint: 'From 1 to 20.', mayBeNone: false },
  { path: 'execution.attemptTimeLimit', kind: 'duration', label: 'Time of an attempt', hint: 'Such as 20m, or auto.', mayBeNone: false },
  { path: 'execution.coreMemory', kind: 'size', label: 'Memory of a core', hint: 'Such as 2GiB.', mayBeNone: false },
  { path: 'execution.maxConcurrency', kind: 'count', label: 'Chunks at once', hint: 'Empty: no limit.', mayBeNone: true },
  { path: 'execution.priority', kind: 'count', label: 'Priority', hint: 'From 0 (first) to 9.', mayBeNone: false },
];

/** What the spec has of it. */
export function overrideGroups(spec: Readonly<Record<string, unknown>>): OverrideGroup[] {
  const stages = Array.isArray(spec['pipeline']) ? (spec['pipeline'] as unknown[]) : [];
  const sql = stages.flatMap((stage, at): Offer[] => {
    const { name, sql: text } = (stage ?? {}) as { name?: unknown; sql?: unknown };
    if (typeof text !== 'string') return [];
    return [{ path: `pipeline.${at}.sql`, kind: 'sql', label: `SQL of stage ${String(name)}`, hint: 'Its columns and their types stay.', mayBeNone: false }];
  });
  const groups = [
    { title: 'Budgets', offers: budgets },
    { title: 'Limits', offers: limits },
    { title: 'Pipeline', offers: sql },
  ];
  return groups.flatMap(({ title, offers }) => {
    const fields = offers.map((offer) => ({ ...offer, now: writtenAs(offer.kind, valueAt(spec, offer.path)) }));
    return fields.length === 0 ? [] : [{ title, fields }];
  });
}

export function valueAt(spec: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (place, name) => (typeof place === 'object' && place !== null && Object.hasOwn(place, name) ? (place as Record<string, unknown>)[name] : undefined),
      spec,
    );
}

function writtenAs(kind: Kind, value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number') return String(value);
  if (kind === 'size') return sizeText(value);
  return kind === 'duration' ? durationText(value) : String(value);
}

export interface Written {
  /** Place → what is to hold; only what differs from what stands. */
  readonly overrides: Readonly<Record<string, unknown>>;
  /** Place → what was expected there. */
  readonly problems: Readonly<Record<string, string>>;
}

/** `written`: path → text of its field; what was not touched may be missing. `others`: one `PATH=VALUE` a line. */
export function overridesOf(groups: readonly OverrideGroup[], written: Readonly<Record<string, string>>, others: string): Written {
  const overrides: Record<string, unknown> = {};
  const problems: Record<string, string> = {};
  for (const field of groups.flatMap(({ fields }) => fields)) {
    const text = field.kind === 'sql' ? (written[field.path] ?? field.now) : (written[field.path] ?? field.now).trim();
    if (text === field.now) continue;
    const read = readField(field, text);
    if ('problem' in read) problems[field.path] = read.problem;
    else overrides[field.path] = read.value;
  }
  for (const line of others.split('\n').filter((each) => each.trim() !== '')) {
    const at = line.indexOf('=');
    if (at <= 0) problems['others'] = `expected PATH=VALUE, got ${JSON.stringify(line)}`;
    else overrides[line.slice(0, at).trim()] = plainValue(line.slice(at + 1).trim());
  }
  return { overrides, problems };
}

type Read = { readonly value: unknown } | { readonly problem: string };

function readField({ kind, mayBeNone }: OverrideField, text: string): Read {
  if (text.trim() === '') return mayBeNone ? { value: null } : { problem: 'expected a value' };
  switch (kind) {
    case 'sql':
      return { value: text };
    case 'count':
      return /^\d{1,15}$/.test(text) ? { value: Number(text) } : { problem: 'expected a whole number' };
    case 'ratio':
      return /^\d*\.?\d+$/.test(text) && Number(text) <= 1 ? { value: Number(text) } : { problem: 'expected a share from 0 to 1, such as 0.02' };
    case 'size':
      return parseSize(text) === null ? { problem: 'expected a size, such as 2GiB' } : { value: text };
    case 'duration':
      return text === 'auto' || parseDuration(text) !== null ? { value: text } : { problem: 'expected a time, such as 20m, or auto' };
    default:
      return kind satisfies never;
  }
}

/** JSON where it is some, else the text as it stands: as the command line reads `--set`. */
function plainValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
