import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from './command.ts';
import { CommandError } from './command-error.ts';
import { commands } from './commands/index.ts';
import { commandHelp, readArguments } from './read-arguments.ts';

const command: Command = {
  name: 'try',
  synopsis: 'DIR',
  help: 'Tries.',
  flags: { limit: { type: 'string', value: 'N', help: 'how many' }, all: { type: 'boolean', short: 'a', help: 'everything' } },
  run: async () => 0,
};

test('flags and arguments are told apart', () => {
  assert.deepEqual({ ...readArguments(command, ['dir', '--limit', '3', '-a']).flags }, { limit: '3', all: true });
  assert.deepEqual(readArguments(command, ['dir', '--', '--limit']).args, ['dir', '--limit']);
});

test('an unknown flag is refused with the nearest known one', () => {
  assert.throws(
    () => readArguments(command, ['--limt', '3']),
    (error) => error instanceof CommandError && error.exitCode === 2 && /did you mean --limit/.test(error.message),
  );
});

test('every command describes itself and its flags', async () => {
  for (const [name, { load }] of Object.entries(commands)) {
    const loaded = await load();
    assert.equal(loaded.name, name);
    for (const flag of Object.keys(loaded.flags)) assert.match(commandHelp(loaded), new RegExp(`--${flag}\\b`));
  }
});
