/** Follows a job to its end: shows what planning decided as soon as it stands, then one moving line, then nothing. */
import type { JobHandle } from '@millrace/producer';
import { isTerminalJobState, type JobStatus } from '@millrace/protocol';
import type { CommandCall } from './command.ts';
import { openDirectoryAt } from './directory.ts';
import { describePins, filesOf, progressLine } from './run-report.ts';

export interface FollowOptions {
  readonly generation: number;
  readonly directory: string;
  readonly readRoots: readonly string[];
}

/** The status that ended the generation. */
export async function followJob(call: CommandCall, handle: JobHandle, options: FollowOptions): Promise<JobStatus> {
  const { output } = call;
  let shown = false;
  let last: JobStatus | null = null;
  for await (const event of handle.watch({ generation: options.generation, throttle: '200ms', signal: call.signal })) {
    output.document(event);
    if (event.type === 'dead') output.say(`  dead letter ${event.chunk}: ${event.code}`);
    if (event.type === 'warning') output.say(`  warning ${event.code}: ${event.message}`);
    if (event.type !== 'state' && event.type !== 'progress') continue;
    last = event.status;
    if (!shown && last.chunks.total > 0) {
      shown = true;
      await showPins(call, handle, options);
    }
    output.progress({ line: progressLine(last), state: last.state, document: event });
    if (event.type === 'state' && isTerminalJobState(last.state)) break;
  }
  if (last === null) throw new Error(`job ${handle.jobId} told nothing of itself`);
  return last;
}

async function showPins(call: CommandCall, handle: JobHandle, options: FollowOptions): Promise<void> {
  const directory = openDirectoryAt(options.directory, options.readRoots);
  try {
    const pins = await directory.journal.readPins(handle.jobId);
    for (const [index, input] of (pins?.record.inputs ?? []).entries()) {
      for (const line of describePins(input, await filesOf(directory.journal, handle.jobId, index))) call.output.say(line);
    }
    if (pins !== null) call.output.document({ type: 'pins', pins: pins.record });
  } finally {
    await directory.close();
  }
}
