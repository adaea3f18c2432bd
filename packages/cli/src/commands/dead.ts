import type { JobView } from '@millrace/journal';
import type { DeadLetter } from '@millrace/protocol';
import { codeInfo, type FilterableLetter, jobStages, letterFields, letterItem, matchesFilter } from '@millrace/protocol';
import type { Command, CommandCall } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, shortChunk, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, size } from '../output.ts';
import { namesDirectory } from '../place.ts';
import { readFilter } from '../read-filter.ts';
import { listLetters, showLetter } from '../server/dead.ts';
import { limitFlag } from '../server/paged.ts';
import { contentFlag, serverFlags } from '../server/server-call.ts';

/** `millrace dead ls`, `millrace dead show ID`: work that retrying could not cure, with every attempt. */
export const dead: Command = {
  name: 'dead',
  synopsis: '[ls] [JOB | DIR] [FILTER]   |   show [JOB | DIR] ID',
  help: 'Lists open dead letters of a server, of a job, or of a directory that `run` wrote (FILTER: `code:INPUT_* file:orders* offset:1GB..2GB age:<2d -class:lost`), or shows one with every attempt, newest first. ID is the whole id or, of the newest job, `clean.227`.',
  flags: {
    all: { type: 'boolean', help: 'of a directory: also those that a later generation resolved' },
    ...contentFlag,
    ...limitFlag,
    ...serverFlags,
  },
  reads: () => true,
  run: (call) => {
    const [first, ...rest] = call.args;
    const isVerb = first === 'ls' || first === 'show';
    const next = isVerb ? { ...call, args: rest } : call;
    const isLocal = namesDirectory(next.args[0]);
    if (first === 'show') return isLocal ? showLocal(next) : showLetter(next);
    return isLocal ? listLocal(next) : listLetters(next);
  },
};

export interface LetterView {
  readonly letter: DeadLetter;
  readonly state: 'open' | 'resolved';
}

/** Dead letters whose verdict says `dead`; resolved are those whose chunk a later generation committed or took up again. */
export async function readLetters({ journal }: Directory, view: JobView): Promise<LetterView[]> {
  const letters: LetterView[] = [];
  const newest = new Map(view.chunks.map(({ chunk, generation }) => [chunk.chunk, generation]));
  for (const stage of [...jobStages(view.job.record).map(({ name }) => name), 'plan']) {
    for await (const { chunk, generation } of journal.listDeadLetters(view.job.record.jobId, stage)) {
      const verdict = await journal.readVerdict(view.job.record.jobId, stage, chunk, generation);
      const stored = verdict?.record.outcome === 'dead' ? await journal.readDeadLetter(view.job.record.jobId, stage, chunk, generation) : null;
      const counts = stage === 'plan' ? view.generation : newest.get(chunk);
      if (stored !== null) letters.push({ letter: stored.record, state: generation === counts ? 'open' : 'resolved' });
    }
  }
  return letters;
}

async function listLocal(call: CommandCall): Promise<ExitCode> {
  await withJob(call.args[0], async (directory, view) => {
    const all = (await readLetters(directory, view)).filter(({ state }) => state === 'open' || call.flags['all'] === true);
    const filter = readFilter(call.args.slice(1).join(' '), letterFields);
    const letters = all.filter(({ letter, state }) => matchesFilter(filter, letterItem(filterable(letter, state, view)), Date.now()));
    for (const { letter, state } of letters) {
      call.output.document({ ...letter, state });
      const where = letter.range === null ? '' : `  ${letter.range.uri} bytes ${count(letter.range.start)}–${count(letter.range.end)}`;
      call.output.line(`${shortChunk(letter.stage, letter.chunk)}.${letter.generation}  ${state}  ${letter.code}  ${letter.attempts.length} attempts${where}`);
      call.output.line(`    ${letter.message}`);
    }
    if (letters.length === 0) call.output.say(all.length === 0 ? 'No open dead letter.' : `None of ${all.length} open dead letters matches ${filter.text}.`);
    else
      call.output.say(
        `${letters.length} in all. One of them: millrace dead show ${call.args[0]} ${shortChunk(letters[0]?.letter.stage ?? '', letters[0]?.letter.chunk ?? 0)}`,
      );
  });
  return exitCodes.done;
}

function filterable(letter: DeadLetter, state: LetterView['state'], view: JobView): FilterableLetter {
  const { range, attempts } = letter;
  const { name, spec } = view.job.record;
  const bytes = range === null ? 0 : range.end - range.start;
  return { ...letter, jobName: name, labels: spec.labels, state, attempts: attempts.length, worker: attempts[0]?.worker ?? null, bytes };
}

async function showLocal(call: CommandCall): Promise<ExitCode> {
  const [out, id] = call.args;
  if (id === undefined) throw new CommandError(exitCodes.usage, 'expected `dead show DIR ID`');
  await withJob(out, async (directory, view) => {
    const letters = await readLetters(directory, view);
    const found = letters
      .filter(({ letter }) =>
        [letter.deadLetterId, letter.deadLetterId.slice(view.job.record.jobId.length + 1), shortChunk(letter.stage, letter.chunk)].includes(id),
      )
      .at(-1);
    if (found === undefined) throw new CommandError(exitCodes.notFound, `no dead letter ${id}`, `See \`millrace dead ls ${out}\`.`);
    call.output.document({ ...found.letter, state: found.state });
    for (const line of describeLetter(found)) call.output.line(line);
  });
  return exitCodes.done;
}

function describeLetter({ letter, state }: LetterView): string[] {
  const lines = [
    `${letter.deadLetterId}  ${state}  ${letter.code} (${letter.class})`,
    `  ${letter.message}`,
    `  why dead: ${letter.reason}`,
    `  hint: ${codeInfo(letter.code).hint}`,
  ];
  if (letter.range !== null)
    lines.push(`  ${letter.range.uri} bytes ${count(letter.range.start)}–${count(letter.range.end)} (${size(letter.range.end - letter.range.start)})`);
  for (const [index, attempt] of letter.attempts.entries()) {
    lines.push(`  attempt ${letter.attempts.length - index}  ${attempt.attemptId}  ${attempt.outcome}  ${attempt.code}  on ${attempt.worker}`);
    lines.push(`    ${attempt.startedAt} to ${attempt.endedAt}, ${count(attempt.recordsDone)} records and ${size(attempt.bytesDone)} done`);
    lines.push(`    ${attempt.message}`);
    if (attempt.signal !== null || attempt.exitCode !== null) lines.push(`    core ended: ${attempt.signal ?? `exit code ${attempt.exitCode}`}`);
    for (const cause of attempt.causes) lines.push(`    caused by: ${cause}`);
  }
  return lines;
}
