/** A journal in a temporary directory, over a real core of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { type CoreProcess, corePath, startCore } from '@millrace/core-client';
import { fileUri } from '@millrace/protocol';
import { silentLog } from '@millrace/service-kit';
import { type Journal, openJournal } from '../journal.ts';
import { journalConnection } from '../journal-connection.ts';

const memoryBytes = 256 * 1024 * 1024;

export interface TestJournal extends AsyncDisposable {
  readonly journal: Journal;
  readonly core: CoreProcess;
  readonly directory: string;
}

/** `MILLRACE_CORE` is not asked: tests run the core of this checkout. */
export async function startTestJournal(): Promise<TestJournal> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-journal-'));
  const core = await startCore({
    binary: corePath(),
    hello: {
      hostVersion: 'test',
      slot: 0,
      memoryBytes,
      scratchBytes: 0,
      scratchDir: directory,
      readRoots: [],
      writeRoots: [],
      connections: [journalConnection(fileUri(directory))],
      httpAllow: [],
      ports: [],
      sandbox: 'bestEffort',
      logLevel: 'warn',
    },
    log: silentLog,
  });
  const dispose = async (): Promise<void> => {
    await core.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return { journal: openJournal(core), core, directory, [Symbol.asyncDispose]: dispose };
}
