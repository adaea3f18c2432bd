/** `millrace errors [ls|show|resolve|…]`: what failed, by cause, on a server or in a directory from its journal alone. */
import type { FailureName, JobView } from '@millrace/journal';
import {
  codeInfo,
  countsAgainstChunk,
  type ErrorGroup,
  errorGroups,
  filterGroups,
  foldFailures,
  groupFields,
  jobStages,
  nearestName,
  type Triage,
  type TriageVersion,
} from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type Directory, withJob } from '../directory.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, counted } from '../output.ts';
import { namesDirectory } from '../place.ts';
import { readFilter } from '../read-filter.ts';
import { type Decision, decideOnServer, listGroups, showGroup } from '../server/errors.ts';
import { limitFlag } from '../server/paged.ts';
import { serverFlags } from '../server/server-call.ts';
import { readLetters } from './dead.ts';

const states = { resolve: 'resolved', ignore: 'ignored', reopen: 'open' } as const;
type LocalDecision = keyof typeof states;
const decisions: readonly string[] = ['resolve', 'ignore', 'reopen', 'assign', 'note'] satisfies readonly Decision[];
const atOnce = 16;

export const errors: Command = {
  name: 'errors',
  synopsis:
    '[ls] [DIR] [FILTER]   |   show [DIR] FINGERPRINT   |   resolve|ignore|reopen [DIR] FINGERPRINT [--note TEXT]   |   assign FINGERPRINT WHO   |   note FINGERPRINT TEXT',
  help: 'Groups failed attempts by their cause, over all jobs of a server or of a directory: how many, since when, where, which are dead. A resolved group that is seen again has regressed. FILTER: `state:open code:STORAGE_* age:<2d`.',
  flags: {
    note: { type: 'string', value: 'TEXT', help: 'why, for the record' },
    until: { type: 'string', value: 'WHEN', help: 'ignore: for a time (2d), until an instant, or until so many failures' },
    ...limitFlag,
    ...serverFlags,
  },
  reads: ([verb]) => !(verb !== undefined && decisions.includes(verb)),
  run: (call) => {
    const [first, ...rest] = call.args;
    const isVerb = first === 'ls' || first === 'show' || (first !== undefined && decisions.includes(first));
    const [verb, next] = isVerb ? [first, { ...call, args: rest }] : ['ls', call];
    if (!isVerb && first !== undefined && isWord(first))
      throw new CommandError(exitCodes.usage, `expected ls, show, ${decisions.join(', ')} or a filter, got ${JSON.stringify(first)}`);
    if (!namesDirectory(next.args[0])) return onServer(verb, next);
    if (verb === 'ls') return list(next);
    if (verb === 'show') return show(next);
    if (Object.hasOwn(states, verb) && textFlag(call.flags, 'until') === undefined) return decide(verb as LocalDecision, next);
    throw new CommandError(exitCodes.usage, `a directory has no ${verb === 'ignore' ? 'ignore --until' : verb}: that is for servers`);
  },
};

function onServer(verb: string, call: CommandCall): Promise<ExitCode> {
  if (verb === 'ls') return listGroups(call);
  return verb === 'show' ? showGroup(call) : decideOnServer(verb as Decision, call);
}

/** A word that is no term of a filter people would write here, but rather a verb with a mistake in it. */
const isWord = (text: string): boolean => /^[a-z]+$/.test(text) && !namesDirectory(text) && nearestName(text, ['ls', 'show', ...decisions]) !== undefined;

async function list(call: CommandCall): Promise<ExitCode> {
  const text = call.args.slice(1).join(' ');
  readFilter(text, groupFields);
  const groups = await withJob(call.args[0], readGroups);
  const found = filterGroups(groups, text, Date.now());
  for (const group of found) {
    call.output.document(group);
    call.output.line(
      `${group.fingerprint}  ${group.state}  ${group.code}  ${count(group.failures)} failed, ${count(group.dead)} dead  last seen ${group.lastSeenAt}`,
    );
    call.output.line(`    ${group.message}`);
  }
  if (found.length === 0) call.output.say(groups.length === 0 ? 'Nothing failed.' : `None of ${groups.length} groups matches.`);
  return exitCodes.done;
}

async function show(call: CommandCall): Promise<ExitCode> {
  const group = await withJob(call.args[0], async (directory, view) => one(await readGroups(directory, view), call.args[1]));
  call.output.document(group);
  for (const line of describe(group)) call.output.line(line);
  return exitCodes.done;
}

function describe(group: ErrorGroup): string[] {
  const lines = [
    `${group.fingerprint}  ${group.state}  ${group.code} (${group.class})`,
    `  ${group.message}`,
    `  hint: ${codeInfo(group.code).hint}`,
    `  ${counted(group.failures, 'attempt')} failed so, ${counted(group.dead, 'dead letter')} open; first seen ${group.firstSeenAt}, last ${group.lastSeenAt}`,
  ];
  for (const { uri, start, end } of group.places) lines.push(`  in ${uri} bytes ${count(start)}–${count(end)}`);
  for (const sample of group.samples) lines.push(`  ${sample}`);
  if (group.triage !== null) lines.push(`  ${group.triage.state} at ${group.triage.at}${group.triage.note === '' ? '' : `: ${group.triage.note}`}`);
  return lines;
}

async function decide(decision: LocalDecision, call: CommandCall): Promise<ExitCode> {
  const group = await withJob(call.args[0], async (directory, view) => {
    const { fingerprint } = one(await readGroups(directory, view), call.args[1]);
    const { tenant } = view.job.record;
    const [at, note] = [new Date().toISOString(), textFlag(call.flags, 'note') ?? ''];
    const decided = { tenant, fingerprint, state: states[decision], at, until: null, note, by: 'cli' };
    await directory.journal.changeRegistered('triage', `${tenant}.${fingerprint}`, (current) => {
      const body: Triage = { owner: current?.body.owner ?? null, notes: current?.body.notes ?? [], ...decided };
      return { put: { at, by: 'cli', reason: note, body } };
    });
    return one(await readGroups(directory, view), fingerprint);
  });
  call.output.document(group);
  call.output.line(`${group.fingerprint}  ${group.state}`);
  return exitCodes.done;
}

function one(groups: readonly ErrorGroup[], fingerprint: string | undefined): ErrorGroup {
  if (fingerprint === undefined) throw new CommandError(exitCodes.usage, 'expected the fingerprint of an error group', 'See `millrace errors ls DIR`.');
  const found = groups.find((group) => group.fingerprint === fingerprint);
  if (found === undefined) throw new CommandError(exitCodes.notFound, `no error group ${fingerprint}`, 'See `millrace errors ls DIR`.');
  return found;
}

async function readGroups(directory: Directory, view: JobView): Promise<ErrorGroup[]> {
  const { journal } = directory;
  const { jobId, name, tenant } = view.job.record;
  const names: (FailureName & { stage: string })[] = [];
  for (const stage of [...jobStages(view.job.record).map((one) => one.name), 'plan', 'finish']) {
    for await (const failure of journal.listFailures(jobId, stage)) names.push({ ...failure, stage });
  }
  const seen: Parameters<typeof foldFailures>[1] extends Iterable<infer Seen> ? Seen[] : never = [];
  for (let at = 0; at < names.length; at += atOnce) {
    const some = await Promise.all(names.slice(at, at + atOnce).map(({ stage, chunk, attemptId }) => journal.readFailure(jobId, stage, chunk, attemptId)));
    for (const stored of some)
      if (stored !== null && countsAgainstChunk(stored.record))
        seen.push({ ...stored.record, ...placeOf(stored.record.range), at: stored.record.endedAt, sample: stored.key, isLetter: false });
  }
  for (const { letter, state } of await readLetters(directory, view)) {
    if (state === 'open') seen.push({ ...letter, ...placeOf(letter.range), at: letter.diedAt, sample: letter.deadLetterId, isLetter: true });
  }
  seen.sort((a, b) => (a.at < b.at ? -1 : 1));
  const parts = foldFailures({ jobId, name }, seen);
  const triages = new Map<string, TriageVersion>();
  for (const { fingerprint } of parts) {
    const stored = await journal.readRegistered('triage', `${tenant}.${fingerprint}`);
    if (stored !== null) triages.set(fingerprint, { triage: stored.body, version: stored.number });
  }
  return errorGroups(parts, triages, Date.now());
}

const placeOf = (range: { uri: string; start: number; end: number } | null) => ({
  place: range === null ? null : { uri: range.uri, start: range.start, end: range.end },
});
