/**
 * Which server a command talks to: the flag `--url`, `MILLRACE_URL`, else a `millrace dev` of this user that runs on this computer. The token comes from
 * `MILLRACE_TOKEN`, the file `MILLRACE_TOKEN_FILE`, or that `dev`; never from a flag, where other users of the computer would see it.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';

export interface ServerAddress {
  readonly url: string;
  readonly token: string;
}

/** Gone with the user's session where the system has such a place. */
const announcement = (): string => join(process.env['XDG_RUNTIME_DIR'] ?? join(tmpdir(), `millrace-${userInfo().uid}`), 'millrace-dev.json');

/** Readable by this user alone: it holds an admin's token. */
export function announceServer({ url, token }: ServerAddress): void {
  const path = announcement();
  mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 });
  rmSync(path, { force: true });
  writeFileSync(path, JSON.stringify({ url, token, pid: process.pid }), { mode: 0o600, flag: 'wx' });
}

/** Unless another `dev` has taken its place. */
export function withdrawServer({ token }: ServerAddress): void {
  if (readAnnouncement()?.token === token) rmSync(announcement(), { force: true });
}

/** Null: none is known. Throws when a server is named without a token. */
export function serverAddress(urlFlag: string | undefined): ServerAddress | null {
  const written = urlFlag ?? process.env['MILLRACE_URL'];
  const dev = readAnnouncement();
  if (written === undefined || written === '') return dev;
  const url = originOf(written);
  const token = writtenToken() ?? (dev?.url === url ? dev.token : null);
  if (token !== null) return { url, token };
  throw new CommandError(
    exitCodes.notAllowed,
    `no token for ${url}`,
    'An admin makes tokens (`millrace api POST /tokens`); give yours in MILLRACE_TOKEN or in the file that MILLRACE_TOKEN_FILE names.',
  );
}

/** As `serverAddress`, for commands that cannot do without. */
export function neededServer(urlFlag: string | undefined): ServerAddress {
  const server = serverAddress(urlFlag);
  if (server !== null) return server;
  throw new CommandError(
    exitCodes.unavailable,
    'no server is named, and no `millrace dev` runs here',
    'Start one with `millrace dev`, or point MILLRACE_URL at one.',
  );
}

function originOf(written: string): string {
  const url = URL.parse(written);
  if (url !== null && /^https?:$/.test(url.protocol) && url.username === '') return url.origin;
  throw new CommandError(exitCodes.usage, `expected the address of a server such as https://millrace.example.com, got ${JSON.stringify(written)}`);
}

function writtenToken(): string | null {
  const { MILLRACE_TOKEN: token, MILLRACE_TOKEN_FILE: file } = process.env;
  if (token !== undefined && token !== '') return token;
  if (file === undefined || file === '') return null;
  try {
    return readFileSync(file.replace(/^~\//, `${homedir()}/`), 'utf8').trim();
  } catch (error) {
    throw new CommandError(exitCodes.notAllowed, `cannot read MILLRACE_TOKEN_FILE: ${(error as NodeJS.ErrnoException).code ?? 'no text'}`);
  }
}

function readAnnouncement(): ServerAddress | null {
  try {
    const { url, token, pid } = JSON.parse(readFileSync(announcement(), 'utf8')) as ServerAddress & { pid: number };
    process.kill(pid, 0);
    return { url, token };
  } catch {
    // Nobody announced itself, or who did was killed.
    return null;
  }
}
