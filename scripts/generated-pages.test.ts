/** The reference pages are the ones that shape and catalogue give. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { failureCodes, resolveJobSpec } from '../packages/protocol/src/index.ts';
import { pagePath as codesPath, writtenPage as writtenCodes } from './generate-error-codes.ts';
import { pagePath as specPath, writtenPage as writtenSpec } from './generate-job-spec.ts';

describe('docs/job-spec.md', () => {
  it('is what the shape of job specs says', () => {
    assert.ok(readFileSync(specPath, 'utf8') === writtenSpec(), 'the page is not what the shape says: npm run generate writes it');
  });

  it('shows specs that are taken', () => {
    const blocks = [...writtenSpec().matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => parse(text) as unknown);
    assert.equal(blocks.length, 2);
    for (const spec of blocks) resolveJobSpec(spec);
  });

  it('links only to sections that it has', () => {
    const page = writtenSpec();
    const anchors = [...page.matchAll(/^## (.*)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(' ', '-')
        .replaceAll(/[^a-z0-9-]/g, ''),
    );
    const links = [...page.matchAll(/\]\(#([^)]*)\)/g)].map(([, anchor = '']) => anchor);
    assert.ok(links.length > 10);
    for (const link of links) assert.ok(anchors.includes(link), `#${link}`);
  });
});

describe('docs/error-codes.md', () => {
  it('is what the catalogue says', () => {
    assert.ok(readFileSync(codesPath, 'utf8') === writtenCodes(), 'the page is not what the catalogue says: npm run generate writes it');
  });

  it('tells of each code once', () => {
    const told = [...writtenCodes().matchAll(/^\| `([A-Z_0-9]+)` /gm)].map(([, code]) => code);
    assert.deepEqual(told.toSorted(), Object.keys(failureCodes).toSorted());
  });
});
