/** `npm run generate`: everything that is written from something else. `--check`: says what is not as it would be written. */
import { spawnSync } from 'node:child_process';
import { root } from './setup.js';

const generators = ['generate-wire.ts', 'generate-telemetry.ts', 'generate-configuration.ts', 'generate-job-spec.ts', 'generate-error-codes.ts'];

let failed = false;
for (const generator of generators) {
  const { status } = spawnSync(process.execPath, [`scripts/${generator}`, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  failed ||= status !== 0;
}
process.exit(failed ? 1 : 0);
