/**
 * F67: the commit protocol (`failures.md` 2.6) for some workers, two map chunks and two generations. Every request is one atomic step; between two steps
 * an actor may stop for ever, wake up much later, or two of them work at once. A put that was sent may land at any time, any number of times or never,
 * also when its sender is long gone. What a plan lists starts whenever it likes: the ledger and Redis have no say here, so losing them is in it.
 */
import type { Model } from './explore.ts';

export const rules = [
  'plan lists what runs',
  'closing before the next plan',
  'generation in names',
  'orphans go when all is filled',
  'no delete while empty',
  'standing manifest decides',
  '_SUCCESS goes forward',
  'marker before command',
] as const;
export type Rule = (typeof rules)[number];

const chunks = 2;
const finishers = 2;

// Verdicts: 0 empty, 1 dead, 2 closed, 3 + worker committed. Manifests: 0 none, 1 completed, 2 failed or cancelled.
const PHASE = 0; // of the redrive: 0 none, 1 marker, 2 command, 3 plan of generation 2
const MARKERS = 1; // bit 0: generation 1, bit 1: generation 2
const MANIFEST = 2; // and 3
const SUCCESS = 4; // 0, or the generation it names
const VERDICT = 5; // 5 + (generation - 1) * 2 + chunk
const LISTED = 9; // bits: chunks in the plan of generation 2
const FINISHER = 10; // four bytes each: generation, step, parts still to be deleted, how it ends
const WORKER = FINISHER + 4 * finishers; // three bytes each: place, step, parts

const EMPTY = 0;
const DEAD = 1;
const CLOSED = 2;
const COMMITTED = 3;
const COMPLETED = 1;
const FAILED = 2;

// Steps of a worker: 1 started, 2 parts durable, 3 receipt sent, 4 it has read the verdict or given up. Parts: 0 none, 1 there, 2 deleted.
const verdictAt = (generation: number, chunk: number): number => VERDICT + (generation - 1) * chunks + chunk;
const at = (state: Uint8Array, index: number): number => state[index] as number;

export function commitModel(workers: number): Model<Rule> {
  const start = new Uint8Array(WORKER + 3 * workers);
  start[MARKERS] = 1;
  return { start, steps, breach };

  function steps(state: Uint8Array, off: Rule | null, next: (state: Uint8Array, step: string) => void): void {
    const change = (step: string, ...changes: readonly (readonly [index: number, value: number])[]): void => {
      const changed = Uint8Array.from(state);
      for (const [index, value] of changes) changed[index] = value;
      next(inOrder(changed), step);
    };
    for (let worker = 0; worker < workers; worker += 1) attemptSteps(state, worker, off, change);
    schedulerSteps(state, off, change);
    for (let finisher = 0; finisher < finishers; finisher += 1) finisherSteps(state, finisher, off, change);
  }

  /** Workers and finishers have no names of their own: states that differ only in who is who are one. */
  function inOrder(state: Uint8Array): Uint8Array {
    const first = state.subarray(FINISHER, FINISHER + 4);
    const second = state.subarray(FINISHER + 4, FINISHER + 8);
    if (Buffer.compare(first, second) < 0) {
      const kept = Uint8Array.from(first);
      first.set(second);
      second.set(kept);
    }
    const ranks = Array.from({ length: workers }, (_, worker) => rankOf(state, worker));
    const order = ranks.map((_, worker) => worker).sort((a, b) => (ranks[b] as number) - (ranks[a] as number));
    if (order.every((worker, index) => worker === index)) return state;
    const sorted = Uint8Array.from(state);
    order.forEach((worker, index) => {
      sorted.set(state.subarray(WORKER + 3 * worker, WORKER + 3 * worker + 3), WORKER + 3 * index);
    });
    const placeOf = (worker: number): number => order.indexOf(worker);
    for (let verdict = VERDICT; verdict < LISTED; verdict += 1) {
      const value = at(state, verdict);
      if (value >= COMMITTED) sorted[verdict] = COMMITTED + placeOf(value - COMMITTED);
    }
    for (let left = FINISHER + 2; left < WORKER; left += 4) {
      sorted[left] = order.reduce((bits, worker, index) => ((at(state, left) & (1 << worker)) === 0 ? bits : bits | (1 << index)), 0);
    }
    return sorted;
  }

  /** Everything in a state that tells one worker from another, as one number; idle ones come last. */
  function rankOf(state: Uint8Array, worker: number): number {
    const own = WORKER + 3 * worker;
    let rank = (at(state, own) * 8 + at(state, own + 1)) * 4 + at(state, own + 2);
    for (let verdict = VERDICT; verdict < LISTED; verdict += 1) rank = rank * 2 + (at(state, verdict) === COMMITTED + worker ? 1 : 0);
    for (let left = FINISHER + 2; left < WORKER; left += 4) rank = rank * 2 + ((at(state, left) >> worker) & 1);
    return rank;
  }

  type Change = (step: string, ...changes: readonly (readonly [number, number])[]) => void;

  function attemptSteps(state: Uint8Array, worker: number, off: Rule | null, change: Change): void {
    const own = WORKER + 3 * worker;
    const [place, step, parts] = [at(state, own), at(state, own + 1), at(state, own + 2)];
    if (place === 0) {
      // Which of several idle workers starts makes no difference.
      if (worker > 0 && at(state, own - 3) === 0) return;
      for (const generation of [1, 2]) {
        for (let chunk = 0; chunk < chunks; chunk += 1) {
          if (!mayRun(state, generation, chunk, off) || at(state, verdictAt(generation, chunk)) !== EMPTY) continue;
          change(`worker ${worker} starts chunk ${chunk} of ${generation}`, [own, 1 + (generation - 1) * chunks + chunk], [own + 1, 1]);
        }
      }
      return;
    }
    const verdict = VERDICT + place - 1;
    const standing = at(state, verdict);
    if (step === 1) change(`worker ${worker} has durable parts`, [own + 1, 2], [own + 2, 1]);
    if (step === 2) change(`worker ${worker} sends its receipt`, [own + 1, 3]);
    // In flight for good: it may land now, later, again, or never.
    if (step >= 3 && standing === EMPTY) change(`the receipt of worker ${worker} lands`, [verdict, COMMITTED + worker]);
    if (step === 3) {
      const isFilledByAnother = standing !== EMPTY && standing !== COMMITTED + worker;
      const deletes = isFilledByAnother || (standing === EMPTY && off === 'no delete while empty');
      change(`worker ${worker} reads the verdict${deletes ? ' and deletes its parts' : ''}`, [own + 1, 4], [own + 2, deletes ? 2 : parts]);
    }
  }

  function mayRun(state: Uint8Array, generation: number, chunk: number, off: Rule | null): boolean {
    if (generation === 1) return true;
    if (off === 'plan lists what runs') return at(state, PHASE) >= 2;
    return at(state, PHASE) === 3 && (at(state, LISTED) & (1 << chunk)) !== 0;
  }

  function schedulerSteps(state: Uint8Array, off: Rule | null, change: Change): void {
    const phase = at(state, PHASE);
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      for (const generation of [1, 2]) {
        const verdict = verdictAt(generation, chunk);
        if (at(state, verdict) === EMPTY && isListed(state, generation, chunk)) change(`chunk ${chunk} of ${generation} is dead`, [verdict, DEAD]);
      }
      if (phase >= 2 && at(state, verdictAt(1, chunk)) === EMPTY) change(`chunk ${chunk} of 1 is closed`, [verdictAt(1, chunk), CLOSED]);
    }
    if (at(state, MANIFEST) === 0) return;
    const isSwapped = off === 'marker before command';
    if (phase === 0) {
      if (isSwapped) change('the command is put', [PHASE, 2]);
      else change('the marker of 2 is put', [PHASE, 1], [MARKERS, at(state, MARKERS) | 2]);
    }
    if (phase === 1) change('the command is put', [PHASE, 2]);
    if (phase === 2) {
      const verdicts = [0, 1].map((chunk) => at(state, verdictAt(1, chunk)));
      if (off !== 'closing before the next plan' && verdicts.includes(EMPTY)) return;
      const bitsOf = (holds: (verdict: number) => boolean): number =>
        verdicts.reduce((bits, verdict, chunk) => (holds(verdict) ? bits | (1 << chunk) : bits), 0);
      const open = bitsOf((verdict) => verdict === EMPTY || verdict === CLOSED);
      const dead = bitsOf((verdict) => verdict === DEAD);
      // Any selection of what is dead: all of it, some, or nothing, as a waiver has it. What is open goes on in any case.
      for (let some = 0; some < 1 << chunks; some += 1) {
        if ((some & ~dead) !== 0) continue;
        const listed = open | some;
        change(`the plan of 2 is put, with ${listed}`, [PHASE, 3], [LISTED, listed], [MARKERS, at(state, MARKERS) | 2]);
      }
    }
  }

  function finisherSteps(state: Uint8Array, finisher: number, off: Rule | null, change: Change): void {
    const own = FINISHER + 4 * finisher;
    const [generation, step, left, ending] = [at(state, own), at(state, own + 1), at(state, own + 2), at(state, own + 3)];
    if (generation === 0) {
      begins(state, own, off, change);
      return;
    }
    const manifest = MANIFEST + generation - 1;
    for (let worker = 0; worker < workers; worker += 1) {
      if ((left & (1 << worker)) !== 0)
        change(`finisher ${finisher} deletes parts of worker ${worker}`, [own + 2, left & ~(1 << worker)], [WORKER + 3 * worker + 2, 2]);
    }
    if (left !== 0) return;
    if (step === 1) {
      const stands = at(state, manifest) === 0 ? ending : at(state, manifest);
      change(
        `finisher ${finisher} puts manifest ${generation}`,
        [manifest, stands],
        [own + 1, 2],
        [own + 3, off === 'standing manifest decides' ? ending : stands],
      );
    }
    if (step === 2) {
      const moves = ending === COMPLETED && (off === '_SUCCESS goes forward' || at(state, SUCCESS) < generation);
      change(`finisher ${finisher} is past _SUCCESS of ${generation}`, [own + 1, 3], ...(moves ? ([[SUCCESS, generation]] as const) : []));
    }
    if (step === 3) change(`finisher ${finisher} deletes marker ${generation}`, [own + 1, 4], [MARKERS, at(state, MARKERS) & ~generation]);
  }

  function begins(state: Uint8Array, own: number, off: Rule | null, change: Change): void {
    for (const generation of [1, 2]) {
      if (generation === 2 && at(state, PHASE) !== 3) continue;
      // Cancelled, or over a budget: with verdicts open, nothing is deleted. Only the newest generation ends so.
      if (generation === 2 || at(state, PHASE) < 2) change(`a finisher ends ${generation} early`, [own, generation], [own + 1, 1], [own + 3, FAILED]);
      if (off !== 'orphans go when all is filled' && !isFilled(state, generation)) continue;
      const orphans = orphansOf(state, generation, off);
      // Without every outcome no manifest is made; what the rule forbids is to clean up all the same.
      const ends = isFilled(state, generation) ? COMPLETED : FAILED;
      change(`a finisher of ${generation} has listed orphans`, [own, generation], [own + 1, 1], [own + 2, orphans], [own + 3, ends]);
    }
  }

  function orphansOf(state: Uint8Array, generation: number, off: Rule | null): number {
    let orphans = 0;
    for (let worker = 0; worker < workers; worker += 1) {
      const [place, , parts] = [0, 1, 2].map((offset) => at(state, WORKER + 3 * worker + offset)) as [number, number, number];
      if (parts !== 1 || at(state, VERDICT + place - 1) === COMMITTED + worker) continue;
      if (off !== 'generation in names' && place > generation * chunks) continue;
      orphans |= 1 << worker;
    }
    return orphans;
  }

  function breach(state: Uint8Array, before: Uint8Array | null): string | null {
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      const verdicts = [1, 2].map((generation) => at(state, verdictAt(generation, chunk)));
      if (verdicts.every((verdict) => verdict >= COMMITTED)) return `M1 chunk ${chunk} is committed in both generations`;
      for (const verdict of verdicts) {
        if (verdict >= COMMITTED && at(state, WORKER + 3 * (verdict - COMMITTED) + 2) !== 1) return `M2 the parts of the receipt of chunk ${chunk} are gone`;
      }
    }
    for (const generation of [1, 2]) {
      if (at(state, MANIFEST + generation - 1) === COMPLETED && !isWhole(state, generation)) return `M3 manifest ${generation} is not whole`;
    }
    const success = at(state, SUCCESS);
    if (success !== 0 && at(state, MANIFEST + success - 1) !== COMPLETED) return `M4 _SUCCESS names ${success}, which is not completed`;
    if (before !== null && success < at(before, SUCCESS)) return 'M4 _SUCCESS went back';
    if (at(state, MANIFEST) === 0 && (at(state, MARKERS) & 1) === 0) return 'M5 generation 1 has neither manifest nor marker';
    if (at(state, PHASE) >= 2 && at(state, MANIFEST + 1) === 0 && (at(state, MARKERS) & 2) === 0) return 'M5 a durable command has neither manifest nor marker';
    return endsBadly(state);
  }

  /** M6: from here, without further faults, everything that was promised is done. What a scheduler and one healthy host would do, step by step. */
  function endsBadly(state: Uint8Array): string | null {
    const healed = Uint8Array.from(state);
    const newest = at(state, PHASE) >= 2 ? 2 : 1;
    if (newest === 2 && at(state, PHASE) === 2) {
      for (let chunk = 0; chunk < chunks; chunk += 1) if (at(healed, verdictAt(1, chunk)) === EMPTY) healed[verdictAt(1, chunk)] = CLOSED;
      healed[LISTED] = [0, 1].reduce((bits, chunk) => (at(healed, verdictAt(1, chunk)) < COMMITTED ? bits | (1 << chunk) : bits), 0);
      healed[PHASE] = 3;
    }
    if (at(healed, MANIFEST + newest - 1) === 0) {
      // A fresh attempt of each open chunk commits; as far as the manifest goes a dead one does as well.
      for (let chunk = 0; chunk < chunks; chunk += 1) {
        if (isListed(healed, newest, chunk) && at(healed, verdictAt(newest, chunk)) === EMPTY) healed[verdictAt(newest, chunk)] = DEAD;
      }
      if (!isFilled(healed, newest)) return `M6 generation ${newest} can never be finished`;
      healed[MANIFEST + newest - 1] = COMPLETED;
      if (!isWhole(healed, newest)) return `M6 the manifest of ${newest} can never be whole`;
    }
    return null;
  }
}

const isListed = (state: Uint8Array, generation: number, chunk: number): boolean =>
  generation === 1 || (at(state, PHASE) === 3 && (at(state, LISTED) & (1 << chunk)) !== 0);

/** The generation whose verdict counts for a chunk: the newest up to this one that lists it. */
const countsIn = (state: Uint8Array, generation: number, chunk: number): number => (generation === 2 && isListed(state, 2, chunk) ? 2 : 1);

/** Every verdict listed up to this generation is filled. */
function isFilled(state: Uint8Array, generation: number): boolean {
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    for (let listed = 1; listed <= generation; listed += 1) {
      if (isListed(state, listed, chunk) && at(state, verdictAt(listed, chunk)) === EMPTY) return false;
    }
    // Closed says only that the chunk goes on in the next generation.
    if (at(state, verdictAt(countsIn(state, generation, chunk), chunk)) === CLOSED) return false;
  }
  return true;
}

/** Each chunk has one outcome, and is a gap only when none of its receipts is committed. */
function isWhole(state: Uint8Array, generation: number): boolean {
  for (let chunk = 0; chunk < chunks; chunk += 1) {
    const verdict = at(state, verdictAt(countsIn(state, generation, chunk), chunk));
    if (verdict === EMPTY || verdict === CLOSED) return false;
    const isCommitted = [1, 2].slice(0, generation).some((listed) => at(state, verdictAt(listed, chunk)) >= COMMITTED);
    if (verdict === DEAD && isCommitted) return false;
  }
  return true;
}
