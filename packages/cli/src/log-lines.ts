/** Logs for people and programs, whether a journal or a server told them. */
import type { LogLevel, LogLine } from '@millrace/protocol';
import type { CommandCall } from './command.ts';
import { counted } from './output.ts';
import { at, visible } from './server/table.ts';

export interface WantedLogs {
  /** `clean.227`. */
  readonly chunk: string | undefined;
  readonly attempt: string | undefined;
  readonly level: LogLevel;
  readonly content: boolean;
  /** Attempts. */
  readonly limit: number;
}

export function printLogLine(call: CommandCall, line: LogLine): void {
  call.output.document(line);
  const place = line.chunkId.slice(line.chunkId.indexOf('.') + 1);
  if (line.source === 'core') call.output.line(`  | ${visible(line.message)}`);
  else if (line.code === null) call.output.line(`    ${visible(line.message)}`);
  else call.output.line(`${at(line.at)}  ${line.level.padEnd(5)}  ${place}  ${line.worker}  ${line.code}: ${visible(line.message)}`);
}

export function sayEnd(call: CommandCall, attempts: number, more: boolean): void {
  if (attempts === 0) call.output.say('Nothing to read: no attempt ended without a commit.');
  else if (more) call.output.say(`The first ${counted(attempts, 'attempt')}: --chunk CHUNK narrows it, --limit N shows more (0: all).`);
}
