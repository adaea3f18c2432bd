/** One route of Fastify that answers the body it is told, for `api.ts` to be held against. Its port goes to whoever started it. */
import fastify from 'fastify';

const app = fastify({ logger: false });
let body = '{}';
app.get('/v1/jobs', async (_, reply) => reply.header('content-type', 'application/json; charset=utf-8').send(body));

process.once('message', async (told) => {
  body = String(told);
  const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
  process.send?.(Number(url.port));
});
