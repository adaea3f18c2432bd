/** What people open in a browser: the dashboard, and the page of each code. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { dashboardPolicy, pageHeaders, type Site } from '../security.ts';
import { codePage } from './code-page.ts';
import { type DashboardFiles, type PageFile, readDashboard } from './dashboard-files.ts';

const textPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Throws when the directory is there and cannot be read. */
export async function servePages(app: FastifyInstance, site: Site, directory: string | null): Promise<void> {
  app.get<{ Params: { code: string } }>('/docs/errors/:code', async (request, reply) => {
    const page = codePage(request.params.code);
    if (page === null) return reply.callNotFound();
    return sendPage(reply, site, textPolicy).type('text/html; charset=utf-8').send(page);
  });
  const files = directory === null ? null : await readDashboard(directory);
  if (files === null) return;
  app.get('/*', async (request, reply) => {
    const path = (request.raw.url ?? '/').split('?', 1)[0] ?? '/';
    const file = files.byPath.get(path);
    if (file !== undefined && path !== '/index.html') return sendFile(file, request, reply, site);
    // Addresses of pages are known to the dashboard alone; what looks like a file or a call is not one of them. Ids of
    // rejects and chunks have dots too and end in a number.
    if (/^\/(v1|docs)(\/|$)/.test(path) || /\.(?!r?\d+$)[a-z0-9]{1,8}$/i.test(path) || !takesHtml(request)) return reply.callNotFound();
    return sendIndex(files, reply, site);
  });
}

const takesHtml = (request: FastifyRequest): boolean => /text\/html|\*\/\*/.test(request.headers.accept ?? '*/*');

function sendPage(reply: FastifyReply, site: Site, policy: string): FastifyReply {
  return reply.headers({ ...pageHeaders(site), 'content-security-policy': policy, 'cache-control': 'no-cache' });
}

function sendIndex(files: DashboardFiles, reply: FastifyReply, site: Site): FastifyReply {
  const { html, nonce } = files.index();
  return sendPage(reply, site, dashboardPolicy(nonce)).header('cache-control', 'no-store').type('text/html; charset=utf-8').send(html);
}

/** Built files carry a digest in their name, so they never change. */
function sendFile(file: PageFile, request: FastifyRequest, reply: FastifyReply, site: Site): FastifyReply {
  sendPage(reply, site, dashboardPolicy(null)).header('etag', file.etag).header('vary', 'accept-encoding');
  if (file.isHashed) reply.header('cache-control', 'public, max-age=31536000, immutable');
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  const pressed = file.gzip !== null && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  if (pressed) reply.header('content-encoding', 'gzip');
  return reply.type(file.type).send(pressed ? file.gzip : file.bytes);
}
