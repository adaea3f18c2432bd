/** Stands between a host and its core, passes every frame on, and changes both greetings: `other-core.ts CORE CHANGES`. See `coreThatSays`. */
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { decodeCoreHello, decodeHostHello, encodeFrame, encodeMessage, type Frame, FrameReader } from '@millrace/protocol/wire';
import type { OtherHello } from './builds.ts';

const [, , binary = '', written = '{}'] = process.argv;
const { resultVersion, coreVersion, coreProtocol, hostProtocol } = JSON.parse(written) as OtherHello;

// In the process group that the host kills.
const core = spawn(binary, [], { stdio: ['pipe', 'pipe', 'inherit'] });
for (const stream of [core.stdin, process.stdout]) stream.on('error', () => {});

pass(process.stdin, core.stdin, (frame) => {
  const hello = decodeHostHello(frame);
  return encodeMessage(0, { ...hello, parentPid: process.pid, protocol: hostProtocol ?? hello.protocol });
});
pass(core.stdout, process.stdout, (frame) => {
  const hello = decodeCoreHello(frame);
  const changed = { resultVersion: resultVersion ?? hello.resultVersion, coreVersion: coreVersion ?? hello.coreVersion };
  return encodeMessage(0, { ...hello, ...changed, protocol: coreProtocol ?? hello.protocol });
});
core.on('close', (code, signal) => (signal === null ? process.exit(code ?? 1) : process.kill(process.pid, signal)));

/** Waits where the other end takes no more, as a pipe would. */
function pass(from: Readable, to: Writable, greeting: (frame: Frame) => Frame): void {
  const reader = new FrameReader();
  let hasGreeted = false;
  from.on('data', (bytes: Uint8Array) => {
    for (const frame of reader.push(bytes)) {
      const sent = hasGreeted ? frame : greeting(frame);
      hasGreeted = true;
      for (const piece of encodeFrame(sent)) to.write(piece);
    }
    if (to.writableNeedDrain) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
  from.once('end', () => to.end());
}
