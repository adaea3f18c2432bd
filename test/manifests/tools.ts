/** The tools of the manifest tests: kubectl and two validators, from PyPI into a virtual environment of the checkout, at the versions k8s/requirements.txt names. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const home = join(root, '.cache', 'k8s-tools');
const requirements = join(root, 'k8s', 'requirements.txt');

/** One object of Kubernetes, as YAML says it. */
export interface Manifest {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what the tests are about
  readonly [field: string]: any;
}

/** Installs what is missing. Throws with the reason when it cannot. */
export function installTools(): void {
  const stamp = join(home, '.requirements');
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  if (spawnSync('python3', ['-m', 'venv', home]).status !== 0) throw new Error('cannot make a virtual environment: install python3-venv');
  const pip = spawnSync(join(home, 'bin', 'pip'), ['install', '--quiet', '--requirement', requirements], { encoding: 'utf8' });
  if (pip.status !== 0) throw new Error(`pip could not install ${requirements}: ${pip.stderr}`);
  writeFileSync(stamp, wanted);
}

/** Output of a tool, and whether it was content. */
export function run(tool: string, args: readonly string[], cwd: string = root): { readonly ok: boolean; readonly output: string } {
  const done = spawnSync(join(home, 'bin', tool), args, { cwd, encoding: 'utf8' });
  return { ok: done.status === 0, output: `${done.stdout}${done.stderr}` };
}

/** What `kubectl kustomize` makes of a directory. Throws with its message. */
export function build(directory: string): Manifest[] {
  const { ok, output } = run('kubectl', ['kustomize', directory]);
  if (!ok) throw new Error(`${directory} does not build: ${output}`);
  return parseAllDocuments(output).map((document) => document.toJS() as Manifest);
}

/** A component on a minimal pool, built. */
export function buildWith(components: readonly string[]): Manifest[] {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-overlay-'));
  const up = (path: string): string => pathFrom(directory, path);
  const overlay = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    namespace: 'millrace',
    resources: [up('k8s/base'), up('k8s/pool')],
    components: components.map((name) => up(`k8s/components/${name}`)),
    configMapGenerator: [{ name: 'pool-config', literals: ['MILLRACE_POOL=default'] }],
  };
  writeFileSync(join(directory, 'kustomization.yaml'), JSON.stringify(overlay));
  return build(directory);
}

/** kustomize takes relative paths only. */
const pathFrom = (directory: string, path: string): string => '../'.repeat(directory.split('/').length - 1) + join(root, path).slice(1);
