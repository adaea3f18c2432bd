/**
 * Stands for kubectl in the pages that describe a cluster, where there is none: objects are made by the real one without sending them, overlays are built,
 * and what would be read from a cluster must be something that the built overlay has. Anything else is refused. What was made is kept in `made.ndjson`.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { build, root, run } from './tools.ts';

const [place = '', ...given] = process.argv.slice(2);
const args = given[0] === '-n' ? given.slice(2) : given;
const namespace = given[0] === '-n' ? given.slice(0, 2) : [];

function kubectl(words: readonly string[]): string {
  const { ok, output } = run('kubectl', words, process.cwd());
  if (!ok) throw new Error(output);
  return output;
}

function has(kind: string, name: string): void {
  const found = build('k8s/overlays/prod').some((one) => one.kind.toLowerCase() === kind && one.metadata.name === name);
  if (!found) throw new Error(`the overlay has no ${kind} ${name}`);
}

function isOfTheOverlay(kind: string): void {
  const kinds = new Set(build('k8s/overlays/prod').map((one) => one.kind.toLowerCase()));
  // Made by the controllers of a cluster from what the overlay has.
  if (!kinds.has(kind) && !['pods', 'hpa'].includes(kind)) throw new Error(`the overlay has no ${kind}`);
}

/** The words that a log of the api begins with when nobody has signed in, from the code; and a line as every role writes them. */
function logOf(component: string): string {
  const first = /`(No account is there yet\.[^$]*)/.exec(readFileSync(join(root, 'packages/api/src/main.ts'), 'utf8'))?.[1] ?? '';
  return `${component === 'api' ? first : ''}\n{"level":"error","message":"an example"}\n`;
}

function act(): string {
  const [verb, ...rest] = args;
  if (verb === 'create') {
    const made = kubectl([...namespace, ...args, '--dry-run=client', '-o', 'yaml']);
    appendFileSync(join(place, 'made.ndjson'), `${JSON.stringify(parse(made))}\n`);
    return '';
  }
  if (verb === 'apply' && rest[0] === '-k') return kubectl(['kustomize', join(root, rest[1] ?? '')]).slice(0, 0);
  const [kind = '', name = ''] = (verb === 'rollout' ? (rest[1] ?? '') : (rest[0] ?? '')).split('/');
  if (verb === 'get') for (const one of kind.split(',')) isOfTheOverlay(one);
  else if (verb === 'rollout' || verb === 'logs') has(kind, name);
  else throw new Error(`nobody knows what \`kubectl ${given.join(' ')}\` needs`);
  return verb === 'logs' ? logOf(name) : '';
}

process.stdout.write(act());
