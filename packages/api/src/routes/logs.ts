/** Logs of a job: from the records of its attempts that did not commit. */
import { Readable } from 'node:stream';
import type { logRoutes } from '@millrace/api-contract';
import { type FailureName, type JobOutline, specOfGeneration } from '@millrace/journal';
import { isAtLeast, logLevelOf, logLines, stagesOf } from '@millrace/protocol';
import { z } from 'zod';
import type { Api } from '../api.ts';
import type { HandlersOf } from '../handler.ts';
import { showing } from '../reads/content.ts';
import { assertKept, outlineOf } from '../reads/look.ts';

type LogCall = Parameters<(typeof logHandlers)['GET /jobs/{jobId}/logs']>[0];
type Line = ReturnType<typeof logLines>[number];

/** Names that one request looks through: of more failed attempts `chunk` tells which are meant. */
const mostNames = 100_000;
const atOnce = 16;
const place = z.string().max(32);

export const logHandlers: HandlersOf<typeof logRoutes> = {
  'GET /jobs/{jobId}/logs': async (call, api) => {
    const { params, query, caller, accept } = call;
    const outline = await outlineOf(params.jobId, caller, api);
    assertKept(outline, 'history');
    const list = `logs ${params.jobId} ${query.chunk ?? ''} ${query.attempt ?? ''} ${query.level}`;
    const after = query.cursor === undefined ? '' : api.cursors.read(list, query.cursor, place);
    const shown = { act: 'logs.show', object: `job:${params.jobId}`, tenant: outline.job.record.tenant } as const;
    const media = accept.find((type) => type === 'application/x-ndjson' || type === 'application/json' || type === '*/*');
    if (media === 'application/x-ndjson') {
      return showing(true, shown, call, api, async () => ({
        status: 200 as const,
        media,
        stream: Readable.from(asText(linesOf(await namesOf(outline, call, api), true, call, api)), { objectMode: false }),
      }));
    }
    const body = await showing(query.content, shown, call, api, async () => {
      const names = (await namesOf(outline, call, api)).filter(({ attemptId }) => attemptId > after);
      const data: Line[] = [];
      let [attempts, last] = [0, ''];
      for await (const { attemptId, lines } of attemptsIn(names, query.content, call, api)) {
        last = attemptId;
        if (lines.length > 0) attempts += 1;
        data.push(...lines);
        if (attempts >= query.limit) break;
      }
      const more = last !== '' && last !== names.at(-1)?.attemptId;
      return { data: data as never, nextCursor: more ? api.cursors.write(list, last) : null, total: null };
    });
    return { status: 200, body };
  },
};

/** In the order in which they began: ids of attempts sort by time. */
async function namesOf(outline: JobOutline, { params, query }: LogCall, api: Api): Promise<(FailureName & { readonly stage: string })[]> {
  const [stage = null, chunk = null] = query.chunk?.split('.') ?? [];
  const { spec } = specOfGeneration(outline, outline.generation);
  const stages = stage === null ? ['plan', ...stagesOf(spec).map(({ name }) => name), 'finish'] : [stage];
  const names: (FailureName & { readonly stage: string })[] = [];
  for (const one of stages) {
    for await (const name of api.journal.listFailures(params.jobId, one)) {
      if (chunk !== null && name.chunk !== Number(chunk)) continue;
      if (query.attempt !== undefined && name.attemptId !== query.attempt) continue;
      names.push({ ...name, stage: one });
      if (names.length >= mostNames) break;
    }
  }
  return names.sort((a, b) => (a.attemptId < b.attemptId ? -1 : 1));
}

async function* attemptsIn(names: Awaited<ReturnType<typeof namesOf>>, content: boolean, { params, query, signal }: LogCall, api: Api) {
  for (let at = 0; at < names.length && !signal.aborted; at += atOnce) {
    const some = names.slice(at, at + atOnce);
    const records = await Promise.all(some.map(({ stage, chunk, attemptId }) => api.journal.readFailure(params.jobId, stage, chunk, attemptId)));
    for (const [index, stored] of records.entries()) {
      const attemptId = some[index]?.attemptId ?? '';
      const isShown = stored !== null && isAtLeast(logLevelOf(stored.record.outcome), query.level);
      yield { attemptId, lines: isShown ? logLines(stored.record, content) : [] };
    }
  }
}

async function* linesOf(names: Awaited<ReturnType<typeof namesOf>>, content: boolean, call: LogCall, api: Api): AsyncGenerator<Line> {
  for await (const { lines } of attemptsIn(names, content, call, api)) yield* lines;
}

async function* asText(lines: AsyncIterable<Line>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}
