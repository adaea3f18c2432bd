/** The event stream over HTTP. The server looks again every 20 s whether its caller may still listen, and ends it if not. */
import { maxStreams, type streamRoutes } from '@millrace/api-contract';
import { isJobId } from '@millrace/protocol';
import type { HandlersOf } from '../handler.ts';
import { ApiProblem } from '../problem.ts';
import { streamHub } from '../stream/hub.ts';
import { Listener } from '../stream/listener.ts';

const commentMs = 15_000;
/** Of this process. */
const mostStreams = 5_000;

export const streamHandlers: HandlersOf<typeof streamRoutes> = {
  'GET /stream': async ({ query, caller, header }, api) => {
    for (const topic of query.topics) if (topic.startsWith('job:') && isJobId(topic.slice(4))) await api.jobs.require(topic.slice(4) as never, caller);
    const hub = streamHub(api);
    const key = caller.sessionKey ?? caller.by;
    if (hub.streamsOf(key) >= maxStreams) {
      throw new ApiProblem('STREAM_LIMIT', `at most ${maxStreams} event streams of one session or token are open at once`, { details: { limit: maxStreams } });
    }
    if (hub.size >= mostStreams) throw new ApiProblem('BUSY', `this server has ${mostStreams} event streams open`);
    const listener = new Listener(hub, caller, key, query.topics);
    hub.add(listener);
    let cancel = (): void => {};
    const beat = (): void => {
      listener.comment();
      cancel = api.clock.after(commentMs, beat);
    };
    cancel = api.clock.after(commentMs, beat);
    listener.stream.once('close', () => {
      cancel();
      hub.remove(listener);
    });
    listener.begin(header('last-event-id') ?? null);
    return { status: 200, media: 'text/event-stream', stream: listener.stream };
  },
};
