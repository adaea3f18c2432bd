/** What a client was told, kept outside of the system: each submit with its key and whether it succeeded, failed, or nobody can say. */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { type JobHandle, MillraceError, type Producer } from '@millrace/producer';
import { jobIdFromKey } from '@millrace/protocol';

export interface ClientEntry {
  readonly key: string;
  readonly jobId: string;
  readonly outcome: 'ok' | 'failed' | 'unknown';
  readonly code: string | null;
}

export class ClientLog {
  readonly entries: ClientEntry[] = [];
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** One try; null when its outcome is unknown. Throws what the system refused. */
  async submit(producer: Producer, key: string, spec: unknown, timeout: `${number}s`): Promise<JobHandle | null> {
    const jobId = jobIdFromKey('default', key);
    try {
      const handle = await producer.submit(spec as never, { idempotencyKey: key, timeout });
      this.#note({ key, jobId, outcome: 'ok', code: null });
      return handle;
    } catch (error) {
      const isUnknown = error instanceof MillraceError && error.retryable;
      this.#note({ key, jobId, outcome: isUnknown ? 'unknown' : 'failed', code: error instanceof MillraceError ? error.code : String(error) });
      if (isUnknown) return null;
      throw error;
    }
  }

  /** Appended and synced: the log must outlive whatever the campaign kills. */
  #note(entry: ClientEntry): void {
    this.entries.push(entry);
    const file = openSync(this.#path, 'a');
    writeSync(file, `${JSON.stringify(entry)}\n`);
    fsyncSync(file);
    closeSync(file);
  }
}
