/** A job spec while it is written: YAML or JSON, and which line each part of it stands on. Whether it is right is for the server to say. Pure. */
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

export interface WrittenSpec {
  readonly spec: Record<string, unknown> | null;
  /** Of the text itself: what cannot be read at all. */
  readonly faults: readonly { readonly line: number; readonly message: string }[];
  /** Line, from 1, of the part that a JSON Pointer such as `/spec/output/uri` names, or of the nearest part around it. */
  readonly lineOf: (pointer: string) => number;
}

/** Aliases in YAML can make a small text enormous. */
const mostAliases = 100;

export function readSpec(text: string): WrittenSpec {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const faults = document.errors.map(({ pos, message }) => ({ line: lines.linePos(pos[0]).line, message: firstLine(message) }));
  const lineOf = (pointer: string): number => {
    const offset = offsetOf(document.contents, stepsOf(pointer));
    return offset === null ? 1 : lines.linePos(offset).line;
  };
  if (faults.length > 0) return { spec: null, faults, lineOf };
  try {
    const value: unknown = document.toJS({ maxAliasCount: mostAliases });
    const isSpec = typeof value === 'object' && value !== null && !Array.isArray(value);
    const message = text.trim() === '' ? 'a spec is needed: at least name, inputs and output' : 'expected a map of fields such as name, inputs and output';
    return isSpec ? { spec: value as Record<string, unknown>, faults: [], lineOf } : { spec: null, faults: [{ line: 1, message }], lineOf };
  } catch (error) {
    return { spec: null, faults: [{ line: 1, message: error instanceof Error ? firstLine(error.message) : 'cannot be read' }], lineOf };
  }
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;

function stepsOf(pointer: string): string[] {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  return steps[0] === 'spec' ? steps.slice(1) : steps;
}

/** Offset of the key that leads to the part, as far as the steps can be followed. */
function offsetOf(node: unknown, steps: readonly string[]): number | null {
  let at: number | null = isNode(node) ? (node.range?.[0] ?? null) : null;
  let current: unknown = node;
  for (const step of steps) {
    if (isMap(current)) {
      const pair = current.items.find(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) return at;
      at = isNode(pair.key) ? (pair.key.range?.[0] ?? at) : at;
      current = pair.value;
    } else if (isSeq(current)) {
      current = current.items[Number(step)];
      at = isNode(current) ? (current.range?.[0] ?? at) : at;
    } else if (step !== '0') return at;
  }
  return at;
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'range' in value;
