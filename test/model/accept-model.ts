/** F67, accepting: two requests for one job (the client asked again), a rebuild, and somebody who tidies up. Each may stop for ever between two steps. */
import type { Model } from './explore.ts';

export const acceptRules = ['marker before job.json', 'markers without job stay'] as const;
export type AcceptRule = (typeof acceptRules)[number];

const REQUEST = 0; // two: 0 nothing done, 1 first put done, 2 both done, 3 answered
const MARKER = 2;
const JOB = 3;
const ANSWERED = 4;
const ENDED = 5; // its manifest stands
const TIDIER = 6; // 0 idle, 1 has seen a marker without a job

const at = (state: Uint8Array, index: number): number => state[index] as number;

export const acceptModel: Model<AcceptRule> = {
  start: new Uint8Array(7),

  steps(state, off, next) {
    const change = (step: string, ...changes: readonly (readonly [number, number])[]): void => {
      const changed = Uint8Array.from(state);
      for (const [index, value] of changes) changed[index] = value;
      next(changed, step);
    };
    const [first, second] = off === 'marker before job.json' ? [JOB, MARKER] : [MARKER, JOB];
    for (const request of [REQUEST, REQUEST + 1]) {
      const step = at(state, request);
      // A job that stands is answered as it is, whoever put it.
      if (step === 0 && at(state, JOB) === 1) change('answers for the job that stands', [request, 3], [ANSWERED, 1]);
      if (step === 0) change(`puts ${first === MARKER ? 'the marker' : 'job.json'}`, [request, 1], [first, 1]);
      if (step === 1) change(`puts ${second === MARKER ? 'the marker' : 'job.json'}`, [request, 2], [second, 1]);
      if (step === 2) change('answers', [request, 3], [ANSWERED, 1]);
    }
    // Whoever looks for open jobs finds this one by its marker, and finishes it.
    if (at(state, JOB) === 1 && at(state, MARKER) === 1 && at(state, ENDED) === 0) change('the job is run to its end', [ENDED, 1]);
    if (at(state, ENDED) === 1 && at(state, MARKER) === 1) change('the marker is deleted', [MARKER, 0]);
    if (off !== 'markers without job stay') return;
    if (at(state, TIDIER) === 0 && at(state, MARKER) === 1 && at(state, JOB) === 0) change('a tidier sees a marker without a job', [TIDIER, 1]);
    if (at(state, TIDIER) === 1) change('the tidier deletes the marker', [TIDIER, 2], [MARKER, 0]);
  },

  breach(state) {
    const isHidden = at(state, JOB) === 1 && at(state, MARKER) === 0 && at(state, ENDED) === 0;
    return isHidden && at(state, ANSWERED) === 1 ? 'M5 an acknowledged job has neither manifest nor marker: a rebuild does not find it' : null;
  },
};
