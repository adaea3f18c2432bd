// `node scripts/start.js SCRIPT.ts ARGS…`: sets up what is missing, then runs a TypeScript script of the project with a Node that can.
import { spawn } from 'node:child_process';
import { orExit, projectNode, root, setup } from './setup.js';

await orExit(setup);
const child = spawn(projectNode(), process.argv.slice(2), { cwd: root, stdio: 'inherit' });
// The terminal sends Ctrl-C to the whole group: the script decides what it means, this process only waits for it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
child.on('close', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
