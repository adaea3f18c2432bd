/** The scripted core as a program: `node scripted-core-process.ts <greeting>`. Tests start it where a host would start the real core. */
import { writeSync } from 'node:fs';
import { type Greeting, runScriptedCore } from './scripted-core.ts';

runScriptedCore(process.stdin, process.stdout, {
  greeting: (process.argv[2] ?? 'right') as Greeting,
  pid: process.pid,
  // What was written before must be in the pipe: `process.exit` does not wait for it.
  exit: (code) => void process.stdout.write('', () => process.exit(code)),
  die: (signal) => void process.stdout.write('', () => process.kill(process.pid, signal)),
  hang: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  writeStderr: (text) => void writeSync(2, text),
});
