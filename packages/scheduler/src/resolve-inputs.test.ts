/** What intake does of an input that holds more files than a job may have, or one without a version. */
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

const expect = { sha256: null, files: null, bytes: null };
const folderOf = (uri: string) =>
  ({ inputs: [{ name: 'input', list: null, uri: [uri], connection: null, ifNone: 'fail', pin: 'input', expect }] }) as unknown as ResolvedJobSpec;

describe('inputs of a job', () => {
  it('of more files than it may have are refused, and listing stops there', async () => {
    const { control, pages } = endless();
    await assert.rejects(resolveInputs(folderOf('file:///data/in/'), control), (error: { code?: string }) => error.code === 'SPEC_OUT_OF_RANGE');
    assert.ok(pages() <= maxFilesPerJob / 1_000 + 1, `${pages()} pages were asked for`);
  });

  it('without an ETag are refused by name: nothing would notice that one changed', async () => {
    const entries = ['a', 'b'].map((name) => ({ key: `in/${name}`, etag: name === 'b' ? '' : 'e', size: 1, modifiedAt: 0 }));
    const request = async () => ({ failed: null, done: { entries, more: false }, payload: new Uint8Array() });
    const control = { core: { request }, places: [{ connection: 'place-0', directory: '/data' }] } as unknown as Control;
    await assert.rejects(resolveInputs(folderOf('file:///data/in/'), control), { code: 'SPEC_NOT_AVAILABLE', message: /in\/b: its store gives it no ETag/ });
  });
});
