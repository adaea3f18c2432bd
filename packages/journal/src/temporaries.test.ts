import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { jobIdFromKey } from '@millrace/protocol';
import { startTestJournal } from './testing/index.ts';

describe('removeTemporaries', () => {
  it('removes what killed writers left in the folders of a job, and no record', async () => {
    await using test = await startTestJournal();
    const { journal, directory } = test;
    const [jobId, other] = [jobIdFromKey('default', 'one'), jobIdFromKey('default', 'other')];
    for (const id of [jobId, other]) {
      await journal.putPlanEnd({ record: 'planEnd', version: 1, jobId: id, generation: 1, segments: 0 });
      await journal.putVerdict({ record: 'verdict', version: 1, outcome: 'closed', jobId: id, stage: 'read', chunk: 0, generation: 1, command: 0 });
    }
    const left = ['plan/.tmp-p1-0', 'verdicts/read/.tmp-a1-7'];
    for (const id of [jobId, other]) for (const name of left) writeFileSync(join(directory, 'jobs', id, name), 'left');

    await journal.removeTemporaries(jobId);
    for (const name of left) {
      assert.equal(existsSync(join(directory, 'jobs', jobId, name)), false, name);
      assert.equal(existsSync(join(directory, 'jobs', other, name)), true, 'of another job');
    }
    assert.equal((await journal.readVerdict(jobId, 'read', 0, 1))?.record.outcome, 'closed');
    assert.ok((await journal.readPlanEntry(jobId, 1, 0)) !== null);
  });
});
