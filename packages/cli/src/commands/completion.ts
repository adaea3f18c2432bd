/** `millrace completion bash|zsh|fish`: verbs and flags for the shell, made from the commands themselves. */
import { type Command, type CommandTable, GLOBAL_FLAGS } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';

interface Verb {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly string[];
}

const scripts: Readonly<Record<string, (verbs: readonly Verb[]) => string>> = { bash, zsh, fish };

export const completion: Command = {
  name: 'completion',
  synopsis: 'bash|zsh|fish',
  help: 'Prints a script for your shell: `source <(millrace completion bash)`, or `millrace completion fish | source`.',
  flags: {},
  reads: () => true,
  run: async (call) => {
    const shell = call.args[0] ?? '';
    const script = scripts[shell];
    if (script === undefined || call.args.length > 1)
      throw new CommandError(exitCodes.usage, `expected bash, zsh or fish, got ${JSON.stringify(call.args.join(' '))}`);
    call.output.raw(`${script(await allVerbs(call.commands))}\n`);
    return exitCodes.done;
  },
};

async function allVerbs(commands: CommandTable): Promise<Verb[]> {
  const verbs = Object.entries(commands).map(async ([name, { about, load }]) => {
    const { flags } = await load();
    return { name, about, flags: Object.keys({ ...flags, ...GLOBAL_FLAGS }).map((flag) => `--${flag}`) };
  });
  return Promise.all(verbs);
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bash(verbs: readonly Verb[]): string {
  const cases = verbs.map(({ name, flags }) => `    ${name}) words=${quoted(flags.join(' '))} ;;`).join('\n');
  return `_millrace() {
  local cur=\${COMP_WORDS[COMP_CWORD]} words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W ${quoted(verbs.map(({ name }) => name).join(' '))} -- "$cur"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases}
    *) words= ;;
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
  esac
}
complete -o filenames -F _millrace millrace`;
}

function zsh(verbs: readonly Verb[]): string {
  const lines = verbs.map(({ name, about }) => `    ${quoted(`${name}:${about.replaceAll(':', '\\:')}`)}`).join('\n');
  const cases = verbs.map(({ name, flags }) => `    ${name}) compadd -- ${flags.join(' ')} ;;`).join('\n');
  return `#compdef millrace
_millrace() {
  local -a verbs=(
${lines}
  )
  if (( CURRENT == 2 )); then _describe verb verbs; return; fi
  if [[ \${words[CURRENT]} != -* ]]; then _files; return; fi
  case \${words[2]} in
${cases}
  esac
}
compdef _millrace millrace`;
}

function fish(verbs: readonly Verb[]): string {
  const lines = verbs.flatMap(({ name, about, flags }) => [
    `complete -c millrace -n __fish_use_subcommand -f -a ${name} -d ${quoted(about)}`,
    ...flags.map((flag) => `complete -c millrace -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}`),
  ]);
  return lines.join('\n');
}
