import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Gap,
  jobIdFromKey,
  type ManifestEntries,
  type ManifestFile,
  type ManifestList,
  type ManifestPart,
  manifestCount,
  manifestLists,
  zeroBalance,
} from '@millrace/protocol';
import fc from 'fast-check';
import type { PageSize } from './manifest-writer.ts';
import { startTestJournal } from './testing/index.ts';

const digest = '0'.repeat(64);
const partOf = (chunk: number): ManifestPart => ({ uri: `file:///out/part-${chunk}`, rows: chunk, bytes: chunk * 10, sha256: digest, chunk: `read.${chunk}` });
const fileOf = (file: number): ManifestFile => {
  const lines = { lines: file, blankLines: 0, commentLines: 0 };
  return { file, uri: `file:///in/${file}.csv`, etag: 'e', size: file, balance: zeroBalance, ...lines };
};
const gapOf = (chunk: number): Gap => ({ chunk: `read.${chunk}`, file: null, range: null, code: 'INPUT_NOT_FOUND', acceptedBy: 'budget' });
const make = { files: fileOf, parts: partOf, rejects: partOf, gaps: gapOf } as const;

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

type Lists = { readonly [List in ManifestList]: ManifestEntries[List][] };
const listsOf = (counts: Readonly<Record<ManifestList, number>>): Lists =>
  Object.fromEntries(manifestLists.map((list) => [list, Array.from({ length: counts[list] }, (_, at) => make[list](at))])) as unknown as Lists;

describe('the lists of a manifest', () => {
  let test: Awaited<ReturnType<typeof startTestJournal>>;
  let jobs = 0;
  before(async () => {
    test = await startTestJournal();
  });
  after(() => test[Symbol.asyncDispose]());

  const write = async (lists: Lists, page: PageSize, batch: number, without: readonly ManifestList[] = []) => {
    const of = { jobId: jobIdFromKey('default', `manifest ${jobs++}`), generation: 1 };
    const writer = test.journal.manifestWriter(of, page);
    for (const list of manifestLists) {
      for (let at = 0; at < lists[list].length; at += batch) await writer.add(list, lists[list].slice(at, at + batch) as never);
      assert.deepEqual(await all(writer.list(list)), lists[list], `${list} while it is made`);
    }
    return { ...of, ...(await writer.end(without)) };
  };

  it('are the same for any size of page', async () => {
    const counts = fc.record({ files: fc.nat(12), parts: fc.nat(40), rejects: fc.nat(12), gaps: fc.nat(12) });
    await fc.assert(
      fc.asyncProperty(
        counts,
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 60, max: 5_000 }),
        fc.integer({ min: 1, max: 9 }),
        async (of, entries, bytes, batch) => {
          const lists = listsOf(of);
          const manifest = await write(lists, { entries, bytes }, batch);
          for (const list of manifestLists) {
            assert.deepEqual(await all(test.journal.listManifest(manifest, list)), lists[list], list);
            assert.equal(manifestCount(manifest, list), lists[list].length);
            assert.ok(manifest.pages === undefined || manifest[list].length === 0, 'a list stands in one place');
          }
          for (const page of manifest.pages ?? []) assert.ok(page.count <= entries);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('stand in the manifest as long as they fit, and in pages that are named by their bytes beyond', async () => {
    const lists = listsOf({ files: 1, parts: 4, rejects: 0, gaps: 0 });
    assert.equal((await write(lists, { entries: 5, bytes: 1 << 20 }, 1)).pages, undefined);
    const { pages = [] } = await write(lists, { entries: 4, bytes: 1 << 20 }, 1);
    assert.deepEqual(
      pages.map(({ list, first, count }) => [list, first, count]),
      [
        ['files', 0, 1],
        ['parts', 0, 4],
      ],
    );
    for (const { name, digest: of } of pages) assert.ok(name.endsWith(`-000000-${of.slice(0, 16)}.json`), name);
  });

  it('leave out the gaps of a generation that failed, also where they had pages', async () => {
    const lists = listsOf({ files: 0, parts: 3, rejects: 0, gaps: 9 });
    const manifest = await write(lists, { entries: 2, bytes: 1 << 20 }, 1, ['gaps']);
    assert.equal(manifestCount(manifest, 'gaps'), 0);
    assert.deepEqual(await all(test.journal.listManifest(manifest, 'parts')), lists.parts);
  });

  it('are pages of two finishers that never meet: what a manifest names is what it was made of', async () => {
    const of = { jobId: jobIdFromKey('default', 'two finishers'), generation: 1 };
    const page = { entries: 2, bytes: 1 << 20 };
    const [one, other] = [test.journal.manifestWriter(of, page), test.journal.manifestWriter(of, page)];
    await one.add('parts', [0, 1, 2].map(partOf));
    await other.add('parts', [0, 2, 3].map(partOf));
    const [first, second] = [
      { ...of, ...(await one.end()) },
      { ...of, ...(await other.end()) },
    ];
    assert.deepEqual(await all(test.journal.listManifest(first, 'parts')), [0, 1, 2].map(partOf));
    assert.deepEqual(await all(test.journal.listManifest(second, 'parts')), [0, 2, 3].map(partOf));
    const missing = { ...first, pages: first.pages?.map((one) => ({ ...one, digest })) ?? [] };
    await assert.rejects(all(test.journal.listManifest(missing, 'parts')), { code: 'JOURNAL_UNSAFE' });
    assert.deepEqual(await test.journal.listManifests(of.jobId), [], 'a page is no manifest');
  });
});
