/** F83: 30 % of the packets between everybody and Redis are lost, connections are reset, then the line is narrow. In a network of its own, started again inside. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Experiment, Found } from './experiment.ts';
import { cannotLose } from './kernel.ts';

export const lossyNetwork: Experiment = {
  fault: 'F83',
  what: '30 % of packets lost, resets, a narrow line',
  async run({ seed, seconds }) {
    const skipped = await cannotLose();
    if (skipped !== null) return { skipped };
    const inside = fileURLToPath(new URL('./inside-lossy-network.ts', import.meta.url));
    const child = spawn('unshare', ['-n', process.execPath, inside, String(seed), String(seconds)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    const line = text.trim().split('\n').at(-1) ?? '';
    return line.startsWith('{') ? (JSON.parse(line) as Found) : { breaches: [`it ended with ${code} and said ${line}`], figures: {} };
  },
};
