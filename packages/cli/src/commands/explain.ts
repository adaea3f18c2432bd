/** `millrace explain CODE`: what a code means, from the catalogue in this program: no server, no network. */
import { codeInfo, failureCodes, isFailureCode, nearestName } from '@millrace/protocol';
import type { Command } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

const meanings: Readonly<Record<string, string>> = {
  data: 'a record is rejected with its place and bytes; its chunk commits all the same',
  input: 'the chunk is dead at once: trying again cannot cure it',
  transient: 'tried again with growing waits, five times unless the spec says otherwise',
  resource: 'tried again with less at once, then bisected, then dead',
  crash: 'tried again on a fresh core, then bisected to the record that causes it',
  lost: 'taken over by another host; uses up no attempt',
  bug: 'tried once more on a fresh core, then dead; please report it',
};

export const explain: Command = {
  name: 'explain',
  synopsis: 'CODE   |   --all',
  help: 'Says what an error code means, what becomes of a chunk that meets it, and what to do. Works without a server.',
  flags: { all: { type: 'boolean', help: 'every code, a line each' } },
  reads: () => true,
  run: async (call) => {
    if (call.flags['all'] === true) {
      for (const code of Object.keys(failureCodes)) {
        const info = codeInfo(code);
        call.output.document({ code, ...info });
        call.output.line(`${code.padEnd(30)} ${(info.class ?? '').padEnd(10)} ${info.title}`);
      }
      return exitCodes.done;
    }
    const code = (call.args[0] ?? '').toUpperCase();
    if (!isFailureCode(code)) {
      const nearest = nearestName(code, Object.keys(failureCodes));
      throw new CommandError(
        exitCodes.notFound,
        `no code ${JSON.stringify(code)}${nearest === undefined ? '' : `: did you mean ${nearest}?`}`,
        'See `millrace explain --all`.',
      );
    }
    const info = codeInfo(code);
    call.output.document({ code, ...info });
    call.output.line(`${code}: ${info.title}`);
    call.output.line(
      info.class === null ? '  it ends a job or refuses a call; no attempt fails of it' : `  class ${info.class}: ${meanings[info.class] ?? ''}`,
    );
    if (info.hint !== '') call.output.line(`  what to do: ${info.hint}`);
    return exitCodes.done;
  },
};
