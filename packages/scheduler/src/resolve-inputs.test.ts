/** What intake does of an input that holds more files than a job may have. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxFilesPerJob, type ResolvedJobSpec } from '@millrace/protocol';
import type { Control } from './control.ts';
import { resolveInputs } from './resolve-inputs.ts';

/** A folder without end: each page is full, and more follows. */
function endless(): { control: Control; pages: () => number } {
  let pages = 0;
  const request = async ({ limit, startAfter }: { limit: number; startAfter: string | null }) => {
    pages += 1;
    const first = startAfter === null ? 0 : Number(startAfter.slice('in/'.length)) + 1;
    const entries = Array.from({ length: limit }, (_, n) => ({ key: `in/${String(first + n).padStart(9, '0')}`, etag: 'e', size: 1, modifiedAt: 0 }));
    return { failed: null, done: { entries, more: true }, payload: new Uint8Array() };
  };
  const control = { core: { request }, places: [{ connection: 'place-0', directory: '/data' }] } as unknown as Control;
  return { control, pages: () => pages };
}

describe('inputs of a job', () => {
  it('of more files than it may have are refused, and listing stops there', async () => {
    const { control, pages } = endless();
    const expect = { sha256: null, files: null, bytes: null };
    const input = { name: 'input', list: null, uri: ['file:///data/in/'], connection: null, ifNone: 'fail', pin: 'input', expect };
    const spec = { inputs: [input] } as unknown as ResolvedJobSpec;
    await assert.rejects(resolveInputs(spec, control), (error: { code?: string }) => error.code === 'SPEC_OUT_OF_RANGE');
    assert.ok(pages() <= maxFilesPerJob / 1_000 + 1, `${pages()} pages were asked for`);
  });
});
