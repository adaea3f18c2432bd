/**
 * Which dead letters people have waived: accepted by name, with a reason. A waiver is a command that opens a generation with nothing of it run again; it
 * holds for the letters that stood then. A chunk that is redriven later and dies again has a letter of its own.
 */
import type { Command } from '@millrace/protocol';

export class Waivers {
  readonly #byName = new Map<string, Command[]>();
  readonly #redrives: readonly Command[];

  constructor(commands: readonly Command[]) {
    this.#redrives = commands.filter(({ command, opens }) => command === 'redrive' && opens !== null);
    for (const command of commands) {
      if (command.command !== 'waive' || command.opens === null || command.select === 'all') continue;
      for (const name of command.select) {
        const known = this.#byName.get(name);
        if (known === undefined) this.#byName.set(name, [command]);
        else known.push(command);
      }
    }
  }

  /** The newest waiver of the letter of this chunk and generation; null: it is open. */
  of(stage: string, chunk: number, generation: number): Command | null {
    const name = `${stage}.${chunk}`;
    const own = this.#byName.get(name)?.filter(({ opens }) => opens !== null) ?? [];
    // A file that could not be planned has a letter in every generation that does not try it again.
    const holds =
      stage === 'plan' ? own.filter((waiver) => !this.#isTriedAgain(name, waiver, generation)) : own.filter(({ opens }) => generation < (opens ?? 0));
    return holds.at(-1) ?? null;
  }

  #isTriedAgain(name: string, waiver: Command, generation: number): boolean {
    return this.#redrives.some(
      ({ opens, select }) => (opens ?? 0) > (waiver.opens ?? 0) && (opens ?? 0) <= generation && (select === 'all' || select.includes(name)),
    );
  }
}
