/**
 * Finds every log call in the sources of the services: its level, its constant message, the names of its fields. What is not constant, or has fields whose
 * names cannot be read, is a problem: nobody could look for it. Reads text, not syntax trees: calls are simple, and what is too clever here is so in code.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup.js';

export interface LogCall {
  /** `file:line`, for problems. */
  readonly at: string;
  readonly packageName: string;
  readonly level: string;
  readonly message: string;
  readonly fields: readonly string[];
}

export interface LogCalls {
  readonly calls: readonly LogCall[];
  /** Names of fields that child loggers add. */
  readonly context: readonly string[];
  readonly problems: readonly string[];
}

/** The CLI prints for people, and never logs. */
const loggingPackages = ['service-kit', 'core-client', 'journal', 'queues', 'scheduler', 'worker-host', 'api'];
/** `log` by any road: `this.#control.log.warn(`, `host.log.info(`; the level may be computed, as where lines of the core are logged again. */
const call = /\b(?:this\.#)?log(?:\(\))?(?:\.(debug|info|warn|error)|\[(?!level\])[^\]]+\])\s*\(/g;
const child = /\blog\.child\(/g;

export function readLogCalls(): LogCalls {
  const calls: LogCall[] = [];
  const context = new Set<string>();
  const problems: string[] = [];
  const paths = globSync(`packages/{${loggingPackages.join(',')}}/src/**/*.ts`, { cwd: root });
  for (const path of paths.filter((one) => !/\.test\.ts$|\/testing\/|\/generated\//.test(one)).sort()) {
    const text = withoutComments(readFileSync(join(root, path), 'utf8'));
    const packageName = path.split('/')[1] as string;
    for (const match of text.matchAll(call)) {
      const at = `${path}:${lineAt(text, match.index)}`;
      const [fieldsText = '', messageText = '', ...rest] = argumentsAt(text, match.index + match[0].length);
      const fields = fieldsIn(fieldsText);
      if (typeof fields === 'string') problems.push(`${at}: ${fields}`);
      const message = /^'((?:[^'\\]|\\.)*)'$/.exec(messageText)?.[1];
      if (message === undefined || rest.length > 0) problems.push(`${at}: expected fields and a constant message, got ${messageText || 'nothing'}`);
      if (message !== undefined && typeof fields !== 'string') calls.push({ at, packageName, level: match[1] ?? 'as told', message, fields });
    }
    for (const match of text.matchAll(child)) {
      const fields = fieldsIn(argumentsAt(text, match.index + match[0].length)[0] ?? '');
      if (typeof fields === 'string') problems.push(`${path}:${lineAt(text, match.index)}: ${fields}`);
      else for (const field of fields) context.add(field);
    }
  }
  return { calls, context: [...context].sort(), problems };
}

const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' ')).replaceAll(/(?<![:'"])\/\/.*$/gm, '');

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** The arguments of a call whose opening parenthesis ends at `from`. */
function argumentsAt(text: string, from: number): string[] {
  return splitTop(text.slice(from, closingAt(text, from)));
}

/** Where the bracket closes that was opened before `from`. */
function closingAt(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at] as string;
    if ('\'"`'.includes(char)) at = endOfString(text, at);
    else if ('([{'.includes(char)) depth++;
    else if (')]}'.includes(char) && depth-- === 0) return at;
  }
  return text.length;
}

function endOfString(text: string, from: number): number {
  const quote = text[from];
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === quote) return at;
  }
  return text.length;
}

/** Pieces between the commas that stand in no bracket and no string. */
function splitTop(text: string): string[] {
  const pieces: string[] = [];
  let begin = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if ('\'"`'.includes(char)) at = endOfString(text, at);
    else if ('([{'.includes(char)) at = closingAt(text, at + 1);
    else if (char === ',') {
      pieces.push(text.slice(begin, at));
      begin = at + 1;
    }
  }
  return [...pieces, text.slice(begin)].map((piece) => piece.trim()).filter((piece) => piece !== '');
}

/** Names in an object literal; a spread counts when literals stand in it, as in `...(known ? { code } : {})`. Text: why they cannot be read. */
function fieldsIn(literal: string): string[] | string {
  if (!literal.startsWith('{')) return `expected the fields as an object literal, got ${literal.slice(0, 40)}`;
  const names: string[] = [];
  for (const piece of splitTop(literal.slice(1, closingAt(literal, 1)))) {
    const own = /^([A-Za-z]\w*)\s*(?::|$)/.exec(piece)?.[1];
    if (own !== undefined) {
      names.push(own);
      continue;
    }
    const literals = piece.startsWith('...(') ? [...piece.matchAll(/\{[^{}]*\}/g)].map(([found]) => fieldsIn(found)) : [];
    if (literals.length === 0) return `cannot read the names of the fields in ${piece}`;
    for (const found of literals) {
      if (typeof found === 'string') return found;
      names.push(...found);
    }
  }
  return [...new Set(names)];
}
