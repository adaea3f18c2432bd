/**
 * URIs of inputs and outputs. A local file is `file:///absolute/path`, written without percent-encoding but for `%`, `?`, `#` and bytes outside
 * printable ASCII; in the URI of an input `*`, `**`, `?`, `[a-z]` and `{a,b}` make a pattern, and their escaped forms mean themselves. Pure.
 */
import { posix } from 'node:path';

import type { FailureCode } from './failure.ts';
import { nearestName } from './nearest-name.ts';

export type PlaceUse = 'input' | 'output';

export type PlaceResult = { readonly uri: string } | { readonly code: FailureCode; readonly message: string; readonly suggestion?: string };

const schemes: Readonly<Record<PlaceUse, readonly string[]>> = {
  input: ['file', 's3', 'gs', 'az', 'https', 'http'],
  output: ['file', 's3', 'gs', 'az'],
};
const secretParameters =
  /^(?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|awsaccesskeyid|signature|sig|token|access_token|api_?key|password)$/i;

/** Bytes that stay escaped: they would end the path, or begin an escape. */
const reserved = new Set(['%', '?', '#']);
const patternMarks = new Set(['*', '?', '[', ']', '{', '}']);

/**
 * The URI in its one spelling, or why it cannot be used. Plain paths are for people at a command line: they need `baseDir`, an absolute
 * directory that relative ones start from.
 */
export function resolvePlace(written: string, use: PlaceUse, baseDir: string | null): PlaceResult {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(written);
  if (match) return resolveUri((match[1] ?? '').toLowerCase(), match[2] ?? '', written, use);
  if (/^file:/i.test(written)) return refused(`expected file:/// and an absolute path, got ${JSON.stringify(written)}`);
  if (baseDir === null) return refused(`expected a URI such as file:///data/orders.csv, got ${JSON.stringify(written)}`);
  if (written.includes('\0')) return refused('expected a path without NUL');
  const path = posix.isAbsolute(written) ? posix.normalize(written) : posix.join(baseDir, written);
  return { uri: `file://${use === 'input' ? escapePath(path, patternMarks) : escapePath(path)}` };
}

/** The URI of a local file or directory. `path` is absolute. */
export function fileUri(path: string): string {
  if (!posix.isAbsolute(path)) throw new TypeError(`cannot make a file URI: expected an absolute path, got ${JSON.stringify(path)}`);
  return `file://${escapePath(path)}`;
}

/** The path of a `file:///` URI. Throws for other URIs and for escapes that are not UTF-8. */
export function filePath(uri: string): string {
  if (!uri.startsWith('file:///')) throw new TypeError(`cannot read a file URI: expected file:///…, got ${JSON.stringify(uri)}`);
  return decodeURIComponent(uri.slice('file://'.length).replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
}

/** The scheme of a resolved URI, such as `file`. */
export function schemeOf(uri: string): string {
  return uri.slice(0, Math.max(uri.indexOf(':'), 0));
}

function resolveUri(scheme: string, rest: string, written: string, use: PlaceUse): PlaceResult {
  const authority = rest.split(/[/?#]/, 1)[0] ?? '';
  // The text is not repeated where it holds a secret: messages are logged and shown.
  if (authority.includes('@')) return { code: 'SPEC_SECRET_INLINE', message: 'expected a URI without user info: credentials are settings of the server' };
  const query = scheme === 'file' ? '' : (/\?([^#]*)/.exec(rest)?.[1] ?? '');
  const parameter = query
    .split('&')
    .map((pair) => pair.split('=', 1)[0] ?? '')
    .find((name) => secretParameters.test(name));
  if (parameter !== undefined) return { code: 'SPEC_SECRET_INLINE', message: `expected a URI without signature, got the parameter ${parameter}` };
  if (!schemes[use].includes(scheme)) {
    const suggestion = nearestName(scheme, schemes[use]);
    return {
      ...refused(`expected one of ${schemes[use].map((known) => `${known}://`).join(', ')}, got ${JSON.stringify(`${scheme}://`)}`),
      ...(suggestion && { suggestion }),
    };
  }
  if (scheme !== 'file')
    return authority === '' ? refused(`expected ${scheme}:// and a host or bucket, got ${JSON.stringify(written)}`) : { uri: `${scheme}://${rest}` };
  if (authority !== '') return refused(`expected file:/// and an absolute path, got ${JSON.stringify(written)}`);
  return resolveFilePath(rest, written, use);
}

function resolveFilePath(path: string, written: string, use: PlaceUse): PlaceResult {
  const marks = use === 'input' ? patternMarks : new Set<string>();
  let unescaped: string;
  try {
    // Escapes of marks are kept apart from the marks themselves by staying escaped.
    unescaped = path.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => escapePath(decodeURIComponent(run), new Set(), marks));
  } catch {
    return refused(`expected escapes that are UTF-8, got ${JSON.stringify(written)}`);
  }
  const spelled = unescaped.replace(/%(?![0-9A-Fa-f]{2})/g, '%25').replace(/[^\x20-\x7e]+|#/g, (run) => escapePath(run));
  const spelledMarks = use === 'input' ? spelled : spelled.replaceAll('?', '%3F');
  if (spelledMarks.includes('%00')) return refused('expected a path without NUL');
  if (spelledMarks.split('/').some((step) => step === '..' || step === '.')) return refused(`expected a path without . and .., got ${JSON.stringify(written)}`);
  return { uri: `file://${spelledMarks}` };
}

/** `bare`: characters that stay although reserved; `also`: characters that are escaped although printable. */
function escapePath(path: string, bare: ReadonlySet<string> = new Set(), also: ReadonlySet<string> = new Set()): string {
  let escaped = '';
  for (const character of path) {
    const isPlain = character >= ' ' && character <= '~' && !also.has(character) && (!reserved.has(character) || bare.has(character));
    escaped += isPlain ? character : percentBytes(character);
  }
  return escaped;
}

function percentBytes(character: string): string {
  return [...new TextEncoder().encode(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}

function refused(message: string): { code: FailureCode; message: string } {
  return { code: 'SPEC_URI', message };
}
