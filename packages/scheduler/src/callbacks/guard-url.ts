/**
 * Where webhooks may go. A spec is input, and its URLs are chosen by whoever writes it: only hosts that the installation lists are called, a name must lead to
 * public addresses alone, and the address that was looked at is the one that is connected to, so that a name cannot lead elsewhere a moment later.
 */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** `host` or `host:port`; without a port 443 is meant. */
export type HostList = readonly string[];

export class UrlDeniedError extends Error {
  override readonly name = 'UrlDeniedError';
}

/** Networks that no webhook goes to by name; the last of each kind are those of documentation and of the future. */
const notPublic = new BlockList();
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const) {
  notPublic.addSubnet(network, bits, 'ipv4');
}
for (const [network, bits] of [
  ['::', 128],
  ['::1', 128],
  ['64:ff9b::', 96],
  ['100::', 64],
  ['2001:db8::', 32],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  notPublic.addSubnet(network, bits, 'ipv6');
}
/** Metadata services of clouds: nobody lists these on purpose. */
const metadata = new Set(['169.254.169.254', '169.254.170.2', '100.100.100.200', 'fd00:ec2::254']);

/** Null when the list has the host of this URL, else why not. Looks nothing up. */
export function deniedHost(url: string, allow: HostList): string | null {
  const { protocol, hostname, port, username, password } = new URL(url);
  if (username !== '' || password !== '') return 'expected a URL without user info';
  const own = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  const host = hostname.replace(/^\[|\]$/g, '');
  const listed = allow.some((entry) => {
    const match = /^\[?(.+?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry);
    return match !== null && match[1]?.toLowerCase() === host.toLowerCase() && (match[2] ?? '443') === own;
  });
  return listed ? null : `${host}:${own} is not among the hosts of MILLRACE_HTTP_ALLOW`;
}

export interface VettedUrl {
  readonly url: URL;
  readonly address: string;
  readonly family: 4 | 6;
}

/** Throws `UrlDeniedError`, or what the resolver throws. An address that the list names is taken as it is, but for metadata services. */
export async function vetUrl(
  text: string,
  allow: HostList,
  resolve: (host: string) => Promise<readonly { address: string; family: number }[]> = resolveAll,
): Promise<VettedUrl> {
  const denied = deniedHost(text, allow);
  if (denied !== null) throw new UrlDeniedError(denied);
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const literal = isIP(host);
  const found = literal === 0 ? await resolve(host) : [{ address: host, family: literal }];
  for (const { address } of found) {
    if (metadata.has(address.toLowerCase()) || metadata.has(mapped(address) ?? '')) throw new UrlDeniedError(`${host} leads to a metadata service`);
    if (literal === 0 && !isPublic(address)) throw new UrlDeniedError(`${host} leads to ${address}, which is not public`);
  }
  const [first] = found;
  if (first === undefined) throw new UrlDeniedError(`${host} leads nowhere`);
  return { url, address: first.address, family: first.family === 6 ? 6 : 4 };
}

const resolveAll = (host: string): Promise<{ address: string; family: number }[]> => lookup(host, { all: true, verbatim: true });

function isPublic(address: string): boolean {
  const inner = mapped(address);
  if (inner !== null) return !notPublic.check(inner, 'ipv4');
  return !notPublic.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** The IPv4 address inside of an IPv6 one. */
function mapped(address: string): string | null {
  const dotted = /^::(?:ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (dotted) return dotted[1] ?? null;
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address);
  if (!hex) return null;
  const [high, low] = [Number.parseInt(hex[1] ?? '0', 16), Number.parseInt(hex[2] ?? '0', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
