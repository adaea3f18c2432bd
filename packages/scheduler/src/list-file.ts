/** List files, read whole: they name inputs, at most as many as a job may have. */
import { type ListedFile, parseInputList } from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import type { Control } from './control.ts';
import { readText } from './stored-inputs.ts';

const mostListBytes = 64 << 20;

/** Throws `INPUT_LIST` with the line, `INPUT_NOT_FOUND`. */
export async function listedFiles(list: string, connection: string | null, control: Control): Promise<readonly ListedFile[]> {
  const read = await readText(list, connection, mostListBytes, control);
  if ('bytes' in read) throw new AppError('INPUT_LIST', `cannot read ${list}: expected a list of at most ${mostListBytes} bytes, got ${read.bytes}`);
  const parsed = parseInputList(read.text);
  if ('message' in parsed) throw refused(list, parsed.line, parsed.message);
  return parsed.files;
}

function refused(list: string, line: number, what: string): AppError {
  return new AppError('INPUT_LIST', `cannot read ${list}: line ${line}: ${what}`);
}
