/** What the first visit costs, and that nothing in the pages can turn text into a document or into code. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ensureDashboard } from '../../scripts/setup.js';
import { root } from '../e2e/support/workbench.ts';

test('the first route keeps within its budget of JavaScript', () => {
  ensureDashboard();
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/bundle-size.ts')], { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
  assert.match(stdout, /first route: \d+\.\d kB of 180 kB/);
});

/** Ways from text to HTML or code. */
const sinks =
  /\.innerHTML\s*=(?!=)|\.outerHTML\s*=(?!=)|insertAdjacentHTML|document\.write|setHTMLUnsafe|createContextualFragment|DOMParser|srcdoc|\beval\(|\bnew Function\b|__html:/g;

/** Of libraries: React's own prop for it and its way to make a script element that does not run; three styles of Mantine, made of its theme alone. */
const known: Readonly<Record<string, number>> = { '.innerHTML=': 3, '__html:': 3 };

test('no page has a way from text to HTML or code', () => {
  ensureDashboard();
  const home = join(root, 'packages/dashboard');
  const scripts = (directory: string, ending: RegExp): string[] =>
    readdirSync(join(home, directory), { recursive: true, encoding: 'utf8' })
      .filter((name) => ending.test(name))
      .map((name) => readFileSync(join(home, directory, name), 'utf8'));
  const ours = scripts('src', /(?<!\.test)\.tsx?$/).flatMap((text) =>
    [...text.matchAll(sinks), ...text.matchAll(/dangerouslySetInnerHTML/g)].map(([found]) => found),
  );
  assert.deepEqual(ours, []);
  const counts = Object.entries(
    Object.groupBy(
      scripts('dist/assets', /\.js$/).flatMap((text) => [...text.matchAll(sinks)].map(([found]) => found)),
      String,
    ),
  );
  const more = counts.filter(([sink, found = []]) => found.length > (known[sink] ?? 0)).map(([sink, found = []]) => `${found.length} × ${sink}`);
  assert.deepEqual(more, [], 'more than libraries are known to have: look where it comes from');
});
