/** Variables whose value lies in a file: where secrets are mounted, a process is told the place and the environment never holds them. */
import { readFileSync } from 'node:fs';
import { ConfigError } from './config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `env` with each `<name>_FILE` of `names` replaced by `<name>`, the text of that file without its line end. Read once, at the start.
 * Throws `ConfigError` for a file that cannot be read or is empty, and where both variables are given.
 */
export function withFileVariables(env: Environment, names: readonly string[], read: (path: string) => string = readText): Environment {
  const problems: string[] = [];
  const merged: Record<string, string | undefined> = { ...env };
  for (const name of names) {
    const variable = `${name}_FILE`;
    const path = env[variable];
    delete merged[variable];
    if (path === undefined || path === '') continue;
    if (env[name] !== undefined && env[name] !== '') problems.push(`${name} and ${variable} are both given: expected one of them`);
    else merged[name] = contentOf(variable, path, read, problems);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return merged;
}

function contentOf(variable: string, path: string, read: (path: string) => string, problems: string[]): string | undefined {
  try {
    const text = read(path).replace(/\r?\n$/, '');
    if (text !== '') return text;
    problems.push(`${variable}: ${JSON.stringify(path)} is empty`);
  } catch (error) {
    problems.push(`${variable}: cannot read ${JSON.stringify(path)}: ${error instanceof Error && 'code' in error ? String(error.code) : 'it is no text'}`);
  }
  return undefined;
}

const readText = (path: string): string => readFileSync(path, 'utf8');
