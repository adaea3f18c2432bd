/** Objects of a test in a store, as a client of its own sees them: signed requests, whole objects, nothing shared with the product. */
import { createHash, createHmac } from 'node:crypto';
import type { StoreServer } from './store-servers.ts';

const hash = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** One request under AWS Signature Version 4. */
export async function s3(server: StoreServer, method: string, path: string, query: Readonly<Record<string, string>> = {}, body: Uint8Array = new Uint8Array()) {
  const url = new URL(server.url);
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${date.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const encode = (text: string): string => encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
  const target = path.split('/').map(encode).join('/');
  const search = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const headers: Record<string, string> = { host: url.host, 'x-amz-content-sha256': hash(body), 'x-amz-date': date };
  const names = Object.keys(headers).sort();
  const canonical = [method, target, search, ...names.map((name) => `${name}:${headers[name]}`), '', names.join(';'), hash(body)].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\n');
  const secret = `AWS4${server.environment['AWS_SECRET_ACCESS_KEY']}`;
  const key = scope.split('/').reduce<string | Uint8Array>((key, step) => hmac(key, step), secret);
  const signature = hmac(key, toSign).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${server.environment['AWS_ACCESS_KEY_ID']}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  const { host: _, ...sent } = headers;
  const answer = await fetch(`${server.url}${target}${search === '' ? '' : `?${search}`}`, {
    method,
    headers: { ...sent, authorization },
    ...(method === 'PUT' || method === 'POST' ? { body: Buffer.from(body) } : {}),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  return { status: answer.status, bytes };
}

export async function put(server: StoreServer, path: string, content: string | Uint8Array): Promise<void> {
  const { status, bytes } = await s3(server, 'PUT', path, {}, Buffer.from(content));
  if (status !== 200) throw new Error(`cannot put ${path}: ${status} ${bytes}`);
}

export async function get(server: StoreServer, path: string): Promise<Buffer> {
  const { status, bytes } = await s3(server, 'GET', path);
  if (status !== 200) throw new Error(`cannot get ${path}: ${status} ${bytes}`);
  return bytes;
}

/** Keys below a prefix, in the order the store tells them. Up to a thousand. */
export async function keysBelow(server: StoreServer, bucket: string, prefix: string): Promise<string[]> {
  const { bytes } = await s3(server, 'GET', `/${bucket}`, { 'list-type': '2', prefix });
  return [...bytes.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key ?? '');
}

/** Uploads that were begun and neither completed nor given up. */
export async function openUploads(server: StoreServer, bucket: string): Promise<number> {
  const { bytes } = await s3(server, 'GET', `/${bucket}`, { uploads: '' });
  return [...bytes.toString().matchAll(/<Upload>/g)].length;
}
