/** `npm run test:model [-- --workers 3]`: every state of the commit protocol, then each rule switched off. Needs some minutes and a few GB for three workers. */
import { parseArgs } from 'node:util';
import { acceptModel, acceptRules } from './accept-model.ts';
import { commitModel, rules } from './commit-model.ts';
import { type Exploration, explore } from './explore.ts';

const { values } = parseArgs({ options: { workers: { type: 'string', default: '3' } } });
const workers = Number(values.workers);
let wrong = 0;

function report(what: string, run: () => Exploration, expectsBreach: boolean): void {
  const startMs = performance.now();
  const { states, transitions, depth, breach, way } = run();
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
  if ((breach !== null) !== expectsBreach) wrong += 1;
  const end = breach === null ? `no breach, ${depth} steps deep` : `${breach}, after ${way.length} steps`;
  console.log(`${what}: ${states} states, ${transitions} transitions, ${seconds} s: ${end}`);
  if (breach !== null && !expectsBreach) console.log(way.join('\n'));
}

report('accepting', () => explore(acceptModel, null), false);
for (const rule of acceptRules) report(`accepting without "${rule}"`, () => explore(acceptModel, rule), true);
for (const rule of rules) report(`2 workers without "${rule}"`, () => explore(commitModel(2), rule), true);
for (let count = 1; count <= workers; count += 1) report(`${count} workers, 2 chunks, 2 generations`, () => explore(commitModel(count), null), false);
process.exit(wrong === 0 ? 0 : 1);
