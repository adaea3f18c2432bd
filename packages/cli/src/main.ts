/** `millrace`: reads the arguments, runs one command, ends with its exit code. */
import { nearestName } from '@millrace/protocol';
import { isSet, textFlag } from './command.ts';
import { CommandError } from './command-error.ts';
import { commands } from './commands/index.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { type Output, openOutput } from './output.ts';
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
  const found = commands[verb];
  if (found === undefined) return plain.error(unknownVerb(verb));
  const command = await found.load();
  let output = plain;
  try {
    const { args, flags } = readArguments(command, rest);
    if (isSet(flags, 'help')) return say(plain, commandHelp(command));
    output = openOutput({ json: isSet(flags, 'json'), quiet: isSet(flags, 'quiet'), progress: textFlag(flags, 'progress') ?? 'auto' });
    return await command.run({ args, flags, output, signal: endSignal(), commands });
  } catch (error) {
    return output.error(error);
  }
}

function say(output: Output, text: string): ExitCode {
  output.line(text);
  return exitCodes.done;
}

function unknownVerb(verb: string): CommandError {
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

// Exits by itself only once stdout is flushed: a pipe may still be reading.
process.exitCode = await main(process.argv.slice(2));
if (process.stdout.writableLength > 0) process.stdout.once('drain', () => process.exit());
else process.exit();
