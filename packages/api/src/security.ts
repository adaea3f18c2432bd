/** What every answer carries, and which requests are not even looked at: wrong host, another site's page. Pure. */
import { isIP } from 'node:net';
import { ApiProblem } from './problem.ts';

export interface Site {
  /** As browsers see it, such as `https://millrace.example.com`; null: any host name that reaches a loopback address. */
  readonly origin: string | null;
  /** Bound to this computer alone. */
  readonly isLoopback: boolean;
}

export interface SiteRequest {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly contentType: string | undefined;
}

export const isLoopbackAddress = (host: string): boolean => host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** A name that another site made point here (DNS rebinding) is refused: only our own are served. */
export function checkHost({ origin, isLoopback }: Site, host: string | undefined): void {
  if (origin === null && !isLoopback) return;
  const name = hostName(host ?? '');
  const own = origin === null ? null : new URL(origin).hostname;
  if (name !== null && (name === own || (isLoopback && isLoopbackAddress(name)))) return;
  throw new ApiProblem('AUTH_FORBIDDEN', `this server does not answer for the host ${JSON.stringify((host ?? '').slice(0, 200))}`);
}

function hostName(host: string): string | null {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?$/.exec(host);
  const name = match?.[1]?.toLowerCase() ?? null;
  return name?.startsWith('[') ? (isIP(name.slice(1, -1)) === 6 ? name.slice(1, -1) : null) : name;
}

/** Of requests with a cookie that change something: another site's page can send a form with the cookie, but not these. Throws `AUTH_CSRF`. */
export function checkSameSite(site: Site, request: SiteRequest, media: readonly string[]): void {
  if (request.method === 'GET') return;
  const isOwn = request.fetchSite === undefined ? isOwnOrigin(site, request) : request.fetchSite === 'same-origin';
  if (!isOwn) throw new ApiProblem('AUTH_CSRF', 'a request with a cookie must come from a page of this server');
  const type = mediaOf(request.contentType);
  if (type === null || !media.includes(type)) throw new ApiProblem('AUTH_CSRF', `a request with a cookie must be of media type ${media.join(' or ')}`);
}

/** Browsers from before `Sec-Fetch-Site`. */
function isOwnOrigin({ origin }: Site, request: Pick<SiteRequest, 'origin' | 'host'>): boolean {
  if (request.origin === undefined) return false;
  if (origin !== null) return request.origin === origin;
  return request.origin === `http://${request.host ?? ''}`;
}

export const mediaOf = (contentType: string | undefined): string | null => contentType?.split(';', 1)[0]?.trim().toLowerCase() || null;

const always = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
} as const;

const strictTransport = { 'strict-transport-security': 'max-age=31536000; includeSubDomains' } as const;

/** Of answers that are data: nothing in them may run, be framed or be kept. */
export function dataHeaders(site: Site): Readonly<Record<string, string>> {
  return {
    ...pageHeaders(site),
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
  };
}

export function pageHeaders(site: Site): Readonly<Record<string, string>> {
  return { ...always, ...(site.origin?.startsWith('https:') ? strictTransport : {}) };
}

/** Of the dashboard: its own files, its own calls, nothing else. `nonce`: for the styles that its components make at run time. */
export function dashboardPolicy(nonce: string | null): string {
  const styles = nonce === null ? "'self'" : `'self' 'nonce-${nonce}'`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src ${styles}`,
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

export interface CookieRule {
  readonly name: string;
  readonly attributes: string;
}

/** Over plain HTTP only on this computer, under another name: a browser takes a `__Host-` cookie from https alone. */
export function cookieRule({ origin, isLoopback }: Site): CookieRule {
  const isPlain = origin === null ? isLoopback : origin.startsWith('http:') && isLoopbackAddress(new URL(origin).hostname);
  return isPlain
    ? { name: 'millrace', attributes: 'Path=/; HttpOnly; SameSite=Strict' }
    : { name: '__Host-millrace', attributes: 'Path=/; Secure; HttpOnly; SameSite=Strict' };
}

/** Undefined: none, or several of that name, of which one is not ours. */
export function cookieIn(header: string | undefined, name: string): string | undefined {
  const values = (header ?? '').split(';').flatMap((pair) => {
    const [key, ...value] = pair.trim().split('=');
    return key === name ? [value.join('=')] : [];
  });
  return values.length === 1 && /^[A-Za-z0-9_-]{43}$/.test(values[0] ?? '') ? values[0] : undefined;
}

/** A sign-in has no cookie to be stolen, but a page of another site could sign a browser in as somebody else. Programs send neither header. */
export function checkSignInPage(site: Site, request: Pick<SiteRequest, 'fetchSite' | 'origin' | 'host'>): void {
  const { fetchSite, origin } = request;
  const isForeign = fetchSite === undefined ? origin !== undefined && !isOwnOrigin(site, request) : fetchSite !== 'same-origin';
  if (isForeign) throw new ApiProblem('AUTH_CSRF', 'a sign-in must come from a page of this server');
}
