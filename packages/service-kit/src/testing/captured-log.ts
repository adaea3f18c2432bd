/** A log whose lines a test can read, written through the real logger. */
import { createLogger, type Log } from '../logger.ts';

export type CapturedLine = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

export function captureLog(): { log: Log; lines: CapturedLine[] } {
  const lines: CapturedLine[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as CapturedLine) };
  return { log: createLogger({ service: 'test', level: 'debug', destination }), lines };
}
