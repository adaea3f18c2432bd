/** What must be true of an output directory after a job has ended, whatever happened meanwhile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Manifest, ManifestPart } from '@millrace/protocol';
import { verifyOutput } from '../../../packages/cli/src/generate/verify.ts';
import { filesBelow, manifest, openMarkers, sha256Of, sizeOf } from './journal-files.ts';

/** The manifest names exactly the parts and rejects that are there, with their sizes and digests; nothing temporary is left; readers see this generation. */
export function expectTidy(out: string, jobId: string, generation = 1): Manifest {
  const named = manifest(out, jobId, generation);
  assert.equal(named.state, 'completed', named.failure?.message);
  const here = filesBelow(out);
  assert.deepEqual(
    here.filter((path) => basename(path).startsWith('.tmp-')),
    [],
    'temporary files',
  );
  assert.deepEqual(partsHere(here), [...named.parts, ...named.rejects].map(pathOf).sort(), 'parts here and parts named');
  for (const part of [...named.parts, ...named.rejects]) {
    assert.equal(sizeOf(pathOf(part)), part.bytes, part.uri);
    assert.equal(sha256Of(pathOf(part)), part.sha256, part.uri);
  }
  assert.deepEqual(openMarkers(out), []);
  const success = JSON.parse(readFileSync(join(out, '_SUCCESS'), 'utf8')) as { jobId: string; generation: number; manifest: string };
  assert.deepEqual([success.jobId, success.generation], [jobId, generation]);
  assert.deepEqual(JSON.parse(readFileSync(fileURLToPath(success.manifest), 'utf8')), named);
  return named;
}

const pathOf = (part: Pick<ManifestPart, 'uri'>): string => fileURLToPath(part.uri);
const partsHere = (here: readonly string[]): string[] => here.filter((path) => /\/(?:part|rejects)-[^/]*$/.test(path));

/** The output is what was planted when the data were generated, to the record and byte. */
export async function expectTruth(data: string, out: string): Promise<void> {
  const { differences } = await verifyOutput(data, out);
  assert.deepEqual(differences, []);
}
