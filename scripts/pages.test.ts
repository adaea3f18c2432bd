/** What the pages for people name is there: metrics, alerts, codes, fields of a spec by their meaning, and the pages they send to. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { failureCodes } from '../packages/protocol/src/index.ts';
import { root } from './setup.js';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', 'docs/first-job.md', 'docs/concepts.md', 'docs/operating.md', 'docs/scaling.md'];
const families = [...new Set(Object.keys(failureCodes).map((code) => code.split('_')[0]))];

function all(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, found = '']) => found))];
}

for (const page of pages) {
  const text = read(page);
  describe(page, () => {
    it('names metrics and alerts that there are', () => {
      const [telemetry, alerts] = [read('docs/telemetry.md'), read('k8s/components/monitoring/alerts.yaml')];
      for (const metric of all(text, /`(millrace_[a-z_]+)`/g)) assert.ok(telemetry.includes(`\`${metric}\``), metric);
      for (const alert of all(text, /`(Millrace[A-Z]\w+)`/g)) assert.ok(alerts.includes(`alert: ${alert}\n`), alert);
    });

    it('names codes that there are', () => {
      // `REDIS_URL` is the variable of a page's example.
      const named = all(text, /`([A-Z]+_[A-Z_]+)`/g).filter((code) => families.includes(code.split('_')[0] ?? '') && !/_$|^REDIS_URL$/.test(code));
      for (const code of named) assert.ok(code in failureCodes, code);
    });

    it('sends to pages that there are', () => {
      for (const link of all(text, /\]\(([^)#:]+)\)/g)) assert.ok(existsSync(join(root, dirname(page), link)), link);
      for (const link of all(text, /`((?:docs|k8s)\/[\w./-]+\.md)`/g)) assert.ok(existsSync(join(root, link)), link);
    });
  });
}
