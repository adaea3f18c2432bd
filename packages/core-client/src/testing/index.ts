/** What tests of packages above need: a core that follows a script, in memory or as a process, and the options to start one. */
import { join } from 'node:path';
import type { CoreLog } from '../core-log.ts';
import type { CoreOptions, HelloOptions } from '../core-process.ts';
import type { Greeting } from './scripted-core.ts';

export type { Greeting, ScriptedCoreOptions } from './scripted-core.ts';
export { runScriptedCore } from './scripted-core.ts';

/** A `Hello` that allows nothing. */
export function testHello(): HelloOptions {
  return {
    hostVersion: '0.0.0-test',
    slot: 0,
    memoryBytes: 1 << 30,
    scratchBytes: 1 << 30,
    scratchDir: '/nonexistent/scratch',
    readRoots: [],
    writeRoots: [],
    connections: [],
    httpAllow: [],
    ports: [],
    sandbox: 'off',
    logLevel: 'info',
  };
}

/** Every log call, kept. */
export interface CapturedLog extends CoreLog {
  readonly lines: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly fields: object; readonly message: string }[];
}

export function capturedLog(): CapturedLog {
  const lines: CapturedLog['lines'] = [];
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void =>
      void lines.push({ level, fields, message });
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Options that start the scripted core with this Node. */
export function scriptedCoreOptions(greeting: Greeting = 'right', log: CoreLog = capturedLog()): CoreOptions {
  return { binary: process.execPath, arguments: [join(import.meta.dirname, 'scripted-core-process.ts'), greeting], hello: testHello(), log, timeScale: 0.01 };
}
