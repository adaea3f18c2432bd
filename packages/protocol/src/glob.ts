/** Pure: patterns of input URIs as regular expressions over the path of a local file. `*` and `?` stay within a step, `**` crosses them. */

const marks = /[*?[\]{}]/;

export function isPattern(path: string): boolean {
  return marks.test(path);
}

/** The directory above the first step that holds a mark, with a slash at its end: what must be listed. */
export function directoryOfPattern(path: string): string {
  const steps = path.split('/');
  const first = steps.findIndex((step) => isPattern(step));
  return `${steps.slice(0, first === -1 ? steps.length - 1 : first).join('/')}/`;
}

/** Matches whole paths. Escapes (`%2A`) are left to the caller: here every mark counts. Throws a TypeError for a bracket that does not close. */
export function patternOf(path: string): RegExp {
  let source = '';
  let depth = 0;
  for (let at = 0; at < path.length; at++) {
    const character = path.charAt(at);
    if (character === '*') {
      const isDeep = path.charAt(at + 1) === '*';
      const isWholeStep = isDeep && path.charAt(at - 1) === '/' && path.charAt(at + 2) === '/';
      source += isWholeStep ? '(?:[^/]+/)*' : isDeep ? '.*' : '[^/]*';
      at += isWholeStep ? 2 : isDeep ? 1 : 0;
    } else if (character === '?') {
      source += '[^/]';
    } else if (character === '[') {
      const end = path.indexOf(']', at + 2);
      if (end === -1) throw new TypeError(`cannot read a pattern: [ without ] in ${JSON.stringify(path)}`);
      source += classOf(path.slice(at + 1, end));
      at = end;
    } else if (character === '{') {
      depth++;
      source += '(?:';
    } else if (character === '}' && depth > 0) {
      depth--;
      source += ')';
    } else if (character === ',' && depth > 0) {
      source += '|';
    } else {
      source += escaped(character);
    }
  }
  if (depth > 0) throw new TypeError(`cannot read a pattern: { without } in ${JSON.stringify(path)}`);
  return new RegExp(`^${source}$`, 'su');
}

/** `[a-z]`, `[!a]`: a class never matches a slash. */
function classOf(body: string): string {
  const isNegated = body.startsWith('!') || body.startsWith('^');
  const members = (isNegated ? body.slice(1) : body).replace(/[\\\]^[]/g, '\\$&');
  return isNegated ? `(?!/)[^${members}]` : `(?!/)[${members}]`;
}

function escaped(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/-]/gu, '\\$&').replace('\\-', '-');
}

/** Names that a prefix leaves out: hidden files, and what tools write beside their data. Looks only below the prefix. */
export function isHiddenBelow(directory: string, path: string): boolean {
  return path
    .slice(directory.length)
    .split('/')
    .some((step) => step.startsWith('_') || step.startsWith('.'));
}
