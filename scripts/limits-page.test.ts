/** The page of limits names codes and tests that exist. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isFailureCode } from '../packages/protocol/src/index.ts';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/limits.md'), 'utf8');
const hazards = page.split('\n').filter((line) => /^\| .* \| .* \| .* \| .* \|$/.test(line) && !/^\| (?:hazard|---)/.test(line));
const cells = (row: string): string[] => row.slice(2, -2).split(' | ');

describe('docs/limits.md', () => {
  it('names for each hazard a code of the catalogue, or none where nothing is refused', () => {
    assert.ok(hazards.length > 20);
    for (const row of hazards) {
      const codes = [...(cells(row)[2] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code as string);
      assert.ok(codes.length > 0 || cells(row)[2] === '–', row);
      for (const code of codes) assert.ok(isFailureCode(code), `${code}: ${row}`);
    }
  });

  it('names for each hazard a test that exists', () => {
    for (const row of hazards) {
      const tests = (cells(row)[3] ?? '').split('; ');
      for (const test of tests) {
        const [, file, name] = /^`([^`]+)` (.+)$/.exec(test) ?? assert.fail(`no file and test: ${test}`);
        const path = join(root, file?.startsWith('crates/') ? 'native/rust-core' : '', file ?? '');
        assert.ok(readFileSync(path, 'utf8').includes(name as string), `${file} has no ${name}`);
      }
    }
  });
});
