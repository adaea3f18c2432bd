/** `millrace`: reads the arguments, runs one command, ends with its exit code. */
import { nearestName } from '@millrace/protocol';
import { type Command, type FlagValues, isSet, textFlag } from './command.ts';
import { CommandError } from './command-error.ts';
import { commands } from './commands/index.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { exitWhenWritten, type JsonWanted, type Output, openOutput, type ProgressMode, progressModes, watchPipes } from './output.ts';
import { commandHelp, readArguments } from './read-arguments.ts';

const VERSION = '0.1.0';

function overview(): string {
  const rows = Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`);
  return ['millrace: dirty files in, clean ones out, every record accounted for', '', ...rows, '', '  millrace COMMAND --help shows the rest.'].join('\n');
}

async function main(argv: readonly string[]): Promise<ExitCode> {
  const [verb, ...rest] = argv;
  const plain = openOutput({ json: false, quiet: false, progress: 'auto' });
  if (verb === undefined || verb === '--help' || verb === '-h' || verb === 'help') return say(plain, overview());
  if (verb === 'version' || verb === '--version') return say(plain, VERSION);
  const found = Object.hasOwn(commands, verb) ? commands[verb] : undefined;
  if (found === undefined) return plain.error(unknownVerb(verb));
  const command = await found.load();
  let output = plain;
  try {
    const { args, flags, json } = readArguments(command, rest);
    if (isSet(flags, 'help')) return say(plain, commandHelp(command));
    const onlyReads = command.reads?.(args) === true;
    refuseFieldsOfActs(command, onlyReads, json);
    const signal = endSignal();
    output = openOutput({ json, quiet: isSet(flags, 'quiet'), progress: progressMode(flags), looksUntil: onlyReads ? signal : null });
    return output.end(await command.run({ args, flags, output, signal, commands }));
  } catch (error) {
    return output.error(error);
  }
}

/** To list the fields of what is printed, the command has to run. */
function refuseFieldsOfActs({ name }: Command, onlyReads: boolean, json: JsonWanted): void {
  if (json !== 'fields' || onlyReads) return;
  throw new CommandError(exitCodes.usage, `\`--json=?\` lists fields by running the command, and this one does more than look: ${name}`, 'Take `--json`.');
}

function progressMode(flags: FlagValues): ProgressMode {
  const text = textFlag(flags, 'progress') ?? 'auto';
  const mode = progressModes.find((known) => known === text);
  if (mode !== undefined) return mode;
  throw new CommandError(exitCodes.usage, `expected ${progressModes.join(', ')} for --progress, got ${JSON.stringify(text)}`);
}

function say(output: Output, text: string): ExitCode {
  output.line(text);
  return exitCodes.done;
}

/** Verbs that people look for here, and where what they want is. */
const elsewhere: Readonly<Record<string, string>> = {
  logs: 'Servers keep no log of a job: `millrace attempts CHUNK` shows each failure with the last words of its core, `millrace errors` all of them by cause.',
  auth: 'A token says who asks: MILLRACE_TOKEN, or the file that MILLRACE_TOKEN_FILE names. `millrace api GET /me` shows whose it is.',
  profile: 'MILLRACE_URL and MILLRACE_TOKEN_FILE say which server is meant.',
  init: '`millrace probe FILE` prints a spec to begin with.',
  rollout: 'Every host runs the version of its image.',
};

function unknownVerb(verb: string): CommandError {
  if (Object.hasOwn(elsewhere, verb)) return new CommandError(exitCodes.usage, `there is no command ${verb} in this version`, elsewhere[verb]);
  const nearest = nearestName(verb, Object.keys(commands));
  return new CommandError(exitCodes.usage, `unknown command ${verb}${nearest === undefined ? '' : `: did you mean ${nearest}?`}`, 'See `millrace --help`.');
}

/** The first Ctrl-C or SIGTERM asks the command to stop in order; a second one ends it at once, and what it started ends with it. */
function endSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(exitCodes.interrupted);
      controller.abort();
    });
  }
  return controller.signal;
}

/** The starter of an older Node stands between us and the person: when it is killed, nobody waits for us any more. */
function endWithStarter(starterPid: number): void {
  setInterval(() => {
    if (process.ppid !== starterPid) process.exit(exitCodes.interrupted);
  }, 300).unref();
}

if (process.env['MILLRACE_PARENT_PID'] !== undefined) endWithStarter(Number(process.env['MILLRACE_PARENT_PID']));

watchPipes();
exitWhenWritten(await main(process.argv.slice(2)));
