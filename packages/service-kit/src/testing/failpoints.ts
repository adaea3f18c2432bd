/**
 * What stands in for `failpoints.ts` in a process started with `node --conditions=millrace-test`. `MILLRACE_FAILPOINTS` says what happens in which
 * gap: `chunk.10-12=kill`, several separated by commas. Each that fires says so on stderr first, so that a test knows that it did.
 *
 *     <gap>=<action>[:<when>]      action: kill stop exit throw delay-<ms> block-<ms>      when: once (default), always, or the number of the passing
 */
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface ArmedGap {
  readonly gap: string;
  readonly action: 'kill' | 'stop' | 'exit' | 'throw' | 'delay' | 'block';
  /** Of `delay`, and of `block`, which stops the whole event loop; milliseconds, else 0. */
  readonly delayMs: number;
  /** The passing at which it fires; 0 = each. */
  readonly at: number;
}

/** Throws for anything that is not as above: a gap that is never hit must not look like one that held. */
export function parseFailpoints(text: string): ArmedGap[] {
  return text.split(',').flatMap((part) => (part.trim() === '' ? [] : [parseOne(part.trim())]));
}

function parseOne(text: string): ArmedGap {
  const match = /^([a-z]+(?:\.[0-9a-z-]+)+)=(kill|stop|exit|throw|(?:delay|block)-(\d{1,6}))(?::(once|always|[1-9]\d{0,5}))?$/.exec(text);
  if (match === null)
    throw new TypeError(`cannot read the failpoint ${JSON.stringify(text)}: expected <gap>=<kill|stop|exit|throw|delay-MS|block-MS>[:<once|always|N>]`);
  const [, gap = '', action = '', ms, when = 'once'] = match;
  const at = when === 'once' ? 1 : when === 'always' ? 0 : Number(when);
  return { gap, action: action.replace(/-.*/, '') as ArmedGap['action'], delayMs: Number(ms ?? 0), at };
}

export class FailpointError extends Error {
  override readonly name = 'FailpointError';
}

const armed = parseFailpoints(process.env['MILLRACE_FAILPOINTS'] ?? '');
// Settings are checked after this, and a product that is given failpoints must refuse to start.
delete process.env['MILLRACE_FAILPOINTS'];
const passings = new Map<string, number>();

export async function failpoint(gap: string, detail?: string): Promise<void> {
  const one = armed.find((candidate) => candidate.gap === gap);
  if (one === undefined) return;
  const passing = (passings.get(gap) ?? 0) + 1;
  passings.set(gap, passing);
  if (one.at !== 0 && one.at !== passing) return;
  writeSync(2, `${JSON.stringify({ failpoint: gap, action: one.action, passing, detail: detail ?? null, pid: process.pid })}\n`);
  await act(one);
}

async function act({ gap, action, delayMs }: ArmedGap): Promise<void> {
  switch (action) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      // The signal needs a moment, and nothing may happen in it.
      return new Promise(() => {});
    case 'stop':
      process.kill(process.pid, 'SIGSTOP');
      return;
    case 'exit':
      process.exit(3);
      return;
    case 'throw':
      throw new FailpointError(`failpoint ${gap}`);
    case 'delay':
      await delay(delayMs);
      return;
    case 'block':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, delayMs);
      return;
    default:
      return action satisfies never;
  }
}
