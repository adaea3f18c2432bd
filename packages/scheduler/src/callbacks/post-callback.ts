/** One try at one webhook: signed, to the address that was vetted, without following anything. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Callback, callbackBody, signCallback } from '@millrace/protocol';
import { type HostList, type VettedUrl, vetUrl } from './guard-url.ts';

const timeoutMs = 10_000;

export interface PostOptions {
  readonly allow: HostList;
  readonly secret: Uint8Array;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** The status that was answered. Throws when there was no answer. */
export async function postCallback(callback: Callback, { allow, secret, nowMs, signal }: PostOptions): Promise<number> {
  const vetted = await vetUrl(callback.url, allow);
  const body = callbackBody(callback);
  const timestamp = Math.floor(nowMs / 1_000);
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'millrace',
    'webhook-id': callback.callbackId,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signCallback(callback.callbackId, timestamp, body, secret),
  };
  return send(vetted, headers, body, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
}

function send({ url, address, family }: VettedUrl, headers: Record<string, string | number>, body: string, signal: AbortSignal): Promise<number> {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    // Asked for all addresses by newer versions of Node, for one by others.
    const lookup = (_host: string, options: { all?: boolean }, done: (error: null, found: unknown, family?: number) => void): void =>
      options.all ? done(null, [{ address, family }]) : done(null, address, family);
    const sent = request(url, { method: 'POST', headers, signal, lookup: lookup as never, agent: false }, (answer) => {
      // What it says beyond its status is nobody's concern, and may be endless.
      answer.destroy();
      resolve(answer.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
