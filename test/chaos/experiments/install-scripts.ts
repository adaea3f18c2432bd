/** F69: a package with install scripts is installed as this repository installs, from a file and without any registry. None of its scripts may run. */
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../../e2e/support/workbench.ts';
import { type Experiment, Findings } from './experiment.ts';

const execute = promisify(execFile);
const scripts = ['preinstall', 'install', 'postinstall', 'prepare'] as const;

export const installScripts: Experiment = {
  fault: 'F69',
  what: 'install scripts of a package',
  async run({ bench }) {
    const findings = new Findings();
    const parcel = bench.path('canary/package');
    mkdirSync(parcel, { recursive: true });
    const marks = bench.path('marks');
    const write = (name: string): string => `node -e "require('fs').appendFileSync(process.env.CANARY, '${name}\\n')"`;
    const canary = { name: 'canary', version: '1.0.0', scripts: Object.fromEntries(scripts.map((name) => [name, write(name)])) };
    writeFileSync(join(parcel, 'package.json'), JSON.stringify(canary));
    await execute('tar', ['-czf', bench.path('canary.tgz'), '-C', bench.path('canary'), 'package']);

    const ran = async (project: string, ...options: readonly string[]): Promise<boolean> => {
      const home = bench.path(project);
      mkdirSync(home);
      writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'project', version: '1.0.0', private: true }));
      copyFileSync(join(root, '.npmrc'), join(home, '.npmrc'));
      const env = { PATH: process.env['PATH'], HOME: bench.path('home'), TMPDIR: process.env['TMPDIR'], CANARY: `${marks}-${project}` };
      await execute('npm', ['install', '--offline', ...options, bench.path('canary.tgz')], { cwd: home, env, timeout: 120_000 });
      findings.expect(existsSync(join(home, 'node_modules/canary/package.json')), `${project}: the package is not installed`);
      return existsSync(`${marks}-${project}`);
    };
    await findings.during('the installation', async () => {
      findings.expect(!(await ran('as-we-do')), 'a script of the package ran');
      // The same with scripts allowed: else this experiment could not find anything.
      findings.expect(await ran('with-scripts', '--ignore-scripts=false'), 'no script ran although it might: this experiment sees nothing');
    });
    return findings;
  },
};
