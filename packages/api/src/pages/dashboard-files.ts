/**
 * The built dashboard, read once at the start and served from memory: what was not there then has no address, so no request can lead anywhere else. A few
 * megabytes; a directory that is larger is not a dashboard.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import { AppError } from '@millrace/service-kit';

export interface PageFile {
  readonly bytes: Buffer;
  readonly gzip: Buffer | null;
  readonly type: string;
  readonly etag: string;
  readonly isHashed: boolean;
}

export interface DashboardFiles {
  /** By address, such as `/assets/index-1a2b.js`. */
  readonly byPath: ReadonlyMap<string, PageFile>;
  /** The page itself; where it asks for a nonce, with a fresh one. */
  index(): { readonly html: string; readonly nonce: string | null };
}

/** Stands in index.html where the nonce of a page goes. */
export const noncePlace = '__CSP_NONCE__';

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

const mostBytes = 64 * 1024 * 1024;
const leastGzipBytes = 1_024;

/** Null: nothing was built there. */
export async function readDashboard(directory: string): Promise<DashboardFiles | null> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (entries === null) return null;
  const byPath = new Map<string, PageFile>();
  let size = 0;
  // Source maps are for who builds, not for who visits.
  for (const entry of entries.filter((one) => one.isFile() && extname(one.name) in types)) {
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path);
    size += bytes.length;
    if (size > mostBytes) throw new AppError('OVER_LIMIT', `cannot serve the dashboard: ${directory} holds more than ${mostBytes} bytes`);
    byPath.set(`/${relative(directory, path).split(sep).join('/')}`, pageFile(entry.name, bytes));
  }
  const index = byPath.get('/index.html')?.bytes.toString();
  return index === undefined ? null : { byPath, index: () => withNonce(index) };
}

function pageFile(name: string, bytes: Buffer): PageFile {
  const type = types[extname(name)] ?? 'application/octet-stream';
  const gzip = bytes.length >= leastGzipBytes && /text|json|javascript|svg/.test(type) ? gzipSync(bytes, { level: 9 }) : null;
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`;
  return { bytes, gzip: gzip !== null && gzip.length < bytes.length ? gzip : null, type, etag, isHashed: /-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(name) };
}

function withNonce(html: string): { html: string; nonce: string | null } {
  if (!html.includes(noncePlace)) return { html, nonce: null };
  const nonce = randomBytes(16).toString('base64url');
  return { html: html.replaceAll(noncePlace, nonce), nonce };
}
