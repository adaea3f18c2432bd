/** Whoever counts what goes on between host and core. */
import type { RequestInput } from './core-client.ts';

export interface CoreWatch {
  /** Bytes that went through the pipes, `out` towards the core. */
  readonly bytes?: (direction: 'in' | 'out', bytes: number) => void;
  /** A request ended: with `Done`, or with `Failed` or the core's end. */
  readonly request?: (request: RequestInput, seconds: number, worked: boolean) => void;
}
