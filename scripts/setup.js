// Everything a fresh machine lacks: npm packages, a Node that runs TypeScript, Redis, the Rust core. Plain JavaScript, because it must run on
// the Node that is already there (20 or later). Each step says what it does, is skipped when nothing is to do, and ends with a message that
// names the fix when it cannot be done. Nothing is installed but from npm, cargo and Debian.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, '.cache');
const EXIT_NOT_INSTALLED = 69;

/** A step that cannot be done; `message` tells the person what to do. */
export class SetupError extends Error {}

const say = (text) => process.stderr.write(`${text}\n`);

/** Target directory of cargo: outside the tree, so that every checkout shares one build of the dependencies. */
export function targetDir(env = process.env) {
  if (env.CARGO_TARGET_DIR) return env.CARGO_TARGET_DIR;
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace', 'target');
}

function runsTypeScript(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** The Node that runs the project's own TypeScript: this one when it is new enough, else the one that npm brought. */
export function projectNode() {
  if (runsTypeScript(process.version)) return process.execPath;
  const bundled = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  throw new SetupError(
    `Node ${process.version} cannot run TypeScript and npm brought no other for ${process.platform}-${process.arch}: install Node 22.18 or later`,
  );
}

/**
 * Installs what the lock file names, when it differs from what was last installed here. Not `npm ci`: that refuses a lock file without the packages of
 * platforms that the registry it was made with does not carry, although no such package would be installed.
 */
export function ensurePackages() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.millrace-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('setup: installing npm packages (about half a minute)');
  const done = spawnSync('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (done.status !== 0) throw new SetupError('npm install failed; its message is above');
  writeFileSync(stamp, lock);
}

const onPath = (command) => spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0;

/** Redis from PATH, else from Debian when we may install, else told how. */
export function ensureRedis() {
  if (onPath('redis-server')) return;
  installFromDebian('redis-server', 'install Redis 7 or later: `apt-get install redis-server` (Debian, Ubuntu), `brew install redis` (macOS)');
}

const browsers = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** Path of the browser that tests of the pages drive: Chromium or Chrome from PATH; installed from Debian, like Redis, when there is none. */
export function ensureChromium() {
  if (!browsers.some(onPath)) {
    installFromDebian('chromium', 'install Chromium: `apt-get install chromium` (Debian, Ubuntu), `brew install --cask chromium` (macOS)');
  }
  const name = browsers.find(onPath) ?? 'chromium';
  return spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
}

function installFromDebian(name, how) {
  if (!onPath('apt-get') || process.getuid?.() !== 0) throw new SetupError(`${name} is not on PATH: ${how}`);
  say(`setup: installing ${name} from Debian`);
  const script = `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${name}`;
  const done = spawnSync('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status !== 0 || !onPath(name)) throw new SetupError(`apt-get could not install ${name}: ${how}`);
}

const newestIn = (path) => {
  if (!existsSync(path)) return 0;
  if (!statSync(path).isDirectory()) return statSync(path).mtimeMs;
  const entries = readdirSync(path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Math.max(0, ...entries.map((entry) => statSync(join(entry.parentPath ?? entry.path, entry.name)).mtimeMs));
};

/** Builds the pages when a file that they are made of is newer than the last build; a few seconds. */
export function ensureDashboard() {
  const home = join(root, 'packages', 'dashboard');
  const sources = ['src', 'public', 'index.html', 'vite.config.ts', 'package.json'].map((name) => join(home, name));
  const shared = ['protocol', 'api-contract'].map((name) => join(root, 'packages', name, 'src'));
  const newest = Math.max(...[...sources, ...shared].map(newestIn));
  if (newestIn(join(home, 'dist', 'manifest.json')) > newest) return;
  say('setup: building the dashboard');
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const done = spawnSync(projectNode(), [vite, 'build', '--logLevel', 'warn'], { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] });
  if (done.status !== 0) throw new SetupError('the dashboard does not build; the messages of vite are above');
}

const BUILD_NOTE = `setup: building the Rust core in release. The first build compiles Arrow, Parquet and the SQL planner: about 15 minutes on two
       cores, once per machine; later builds take seconds. It happens in ${'<target>'}.`;

/**
 * Cargo names our crates by their place in the workspace and judges by file times, so in a shared target directory it may take the crates of another
 * checkout for those of this one. When another one built last, every source of ours counts as changed; the dependencies stay as they are.
 */
function claimTarget(target) {
  const stamp = join(target, '.millrace-checkout');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === root) return;
  const crates = join(root, 'native', 'rust-core', 'crates');
  const now = new Date();
  for (const entry of readdirSync(crates, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name.endsWith('.rs')) utimesSync(join(entry.parentPath ?? entry.path, entry.name), now, now);
  }
  mkdirSync(target, { recursive: true });
  writeFileSync(stamp, root);
}

/** Builds with cargo and shows one moving line on a terminal, one line every 20 s elsewhere. */
export async function cargo(args, what) {
  if (!onPath('cargo')) throw new SetupError('cargo is not on PATH: install Rust 1.95 or later (rustup.rs), then run this again');
  const target = targetDir();
  if (!existsSync(join(target, 'release'))) say(BUILD_NOTE.replace('<target>', target));
  claimTarget(target);
  const child = spawn('cargo', args, {
    cwd: join(root, 'native', 'rust-core'),
    env: { ...process.env, CARGO_TARGET_DIR: target, CARGO_TERM_COLOR: 'never' },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const progress = new BuildProgress(what);
  child.stderr.setEncoding('utf8').on('data', (text) => progress.read(text));
  const code = await new Promise((resolve) => child.on('close', (status) => resolve(status ?? 1)));
  progress.end();
  if (code !== 0) throw new SetupError(`${progress.lines.slice(-60).join('\n')}\ncargo ${args[0]} failed; its messages are above`);
}

class BuildProgress {
  constructor(what) {
    this.what = what;
    this.lines = [];
    this.compiled = 0;
    this.current = '';
    this.rest = '';
    this.startedAt = performance.now();
    this.timer = setInterval(() => this.paint(), process.stderr.isTTY ? 500 : 20_000);
  }

  read(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      const crate = /^\s*Compiling (\S+)/.exec(line);
      if (crate) {
        this.compiled += 1;
        this.current = crate[1];
      }
      this.lines.push(line);
    }
  }

  paint() {
    if (this.compiled === 0) return;
    const seconds = Math.round((performance.now() - this.startedAt) / 1000);
    const line = `setup: ${this.what}: ${this.compiled} crates started, now ${this.current}, ${seconds} s`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[2K${line}` : `${line}\n`);
  }

  end() {
    clearInterval(this.timer);
    if (this.compiled > 0) {
      this.paint();
      if (process.stderr.isTTY) process.stderr.write('\n');
    }
  }
}

/** Puts a built binary where this checkout looks for it; other checkouts share the target directory and may build another one there. */
export function installBinary(name, installed = name) {
  mkdirSync(join(cache, 'bin'), { recursive: true });
  const staged = join(cache, 'bin', `.${installed}-${process.pid}`);
  copyFileSync(join(targetDir(), 'release', name), staged);
  renameSync(staged, join(cache, 'bin', installed));
}

/** Builds the core's binary and installs it as `.cache/bin/millrace-core`. */
export async function ensureCore() {
  await cargo(['build', '--release', '--locked', '-p', 'millrace-core', '--bin', 'millrace-core'], 'core');
  installBinary('millrace-core');
}

export async function setup() {
  ensurePackages();
  projectNode();
  ensureRedis();
  ensureDashboard();
  await ensureCore();
}

/** Runs `step`; a `SetupError` becomes one message and exit code 69. */
export async function orExit(step) {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`error: ${error.message}`);
    process.exit(EXIT_NOT_INSTALLED);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await orExit(setup);
  say('setup: done');
}
