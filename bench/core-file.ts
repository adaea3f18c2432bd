/**
 * The bench file: 4,000,000 rows of ten columns, about 0.54 GB, made once from a fixed seed. Column kinds: rising integer, instants in milliseconds,
 * integers of high cardinality, texts of few and of many values, floats, addresses, quoted text with doubled quotes in every fourth row, digests.
 */
import { hash } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { seededRandom } from '../packages/cli/src/generate/random.ts';

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];
const STATUSES = [200, 200, 200, 201, 204, 301, 304, 400, 404, 500];
const AGENTS = ['Mozilla/5.0 (X11; Linux)', 'curl/8.5.0', 'okhttp/4.12', 'Googlebot/2.1', 'Safari/605.1.15'];
const BUFFER_BYTES = 1 << 20;

interface Row {
  id: number;
  ts: string;
  user_id: number;
  method: string;
  path: string;
  status: number;
  latency: string;
  ip: string;
  agent: string;
  md5: string;
}

/** Writes the CSV file unless it is there. */
export function writeCoreFile(path: string, rows = 4_000_000): void {
  const line = (row: Row) => {
    const agent = row.agent.includes('"') ? `"${row.agent.replaceAll('"', '""')}"` : row.agent;
    return `${row.id},${row.ts},${row.user_id},${row.method},${row.path},${row.status},${row.latency},${row.ip},${agent},${row.md5}\n`;
  };
  writeRows(path, rows, 'id,ts,user_id,method,path,status,latency,ip,agent,md5\n', line);
}

/** Writes the same rows as NDJSON unless they are there. */
export function writeCoreNdjson(path: string, rows: number): void {
  writeRows(path, rows, '', (row) => `${JSON.stringify({ ...row, latency: Number(row.latency) })}\n`);
}

function writeRows(path: string, rows: number, head: string, line: (row: Row) => string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const random = seededRandom(42);
  const paths = Array.from({ length: 15_000 }, (_, index) => `/shop/${index % 40}/item-${index}`);
  const descriptor = openSync(`${path}.part`, 'w');
  let text = head;
  const start = Date.UTC(2026, 0, 1);
  for (let row = 0; row < rows; row += 1) {
    const browser = random.pick(AGENTS);
    const agent = row % 4 === 0 ? `${browser} "v${random.below(9)}"` : browser;
    const ip = `${random.below(256)}.${random.below(256)}.${random.below(256)}.${random.below(256)}`;
    const latency = (random.next() * 900).toFixed(3);
    const ts = new Date(start + row * 250).toISOString();
    const [user_id, method, at, status] = [random.below(10_000_000), random.pick(METHODS), random.pick(paths), random.pick(STATUSES)];
    text += line({ id: row + 1, ts, user_id, method, path: at, status, latency, ip, agent, md5: hash('md5', String(row)) });
    if (text.length > BUFFER_BYTES) {
      writeSync(descriptor, text);
      text = '';
    }
  }
  writeSync(descriptor, text);
  closeSync(descriptor);
  renameSync(`${path}.part`, path);
}
