import { resolve } from 'node:path';
import { parseSize } from '@millrace/protocol';
import { type Command, type CommandCall, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { count, size } from '../output.ts';

const DEFAULT_RECORDS = 1_000_000;

/** `millrace generate orders …`: dirty data with a known truth; `--verify DATA OUT` compares a finished job with that truth. */
export const generate: Command = {
  name: 'generate',
  synopsis: 'orders|events [--records N | --size SIZE] [--seed N] [--faults KIND=RATE,…] [--files N] --out DIR   |   --verify DATA OUT',
  help: 'Writes synthetic dirty data, the job for them, and what a right run must report. The same seed gives the same bytes.',
  flags: {
    records: { type: 'string', value: 'N', help: 'records in all files together (1,000,000)' },
    size: { type: 'string', value: 'SIZE', help: 'bytes in all files together, such as 250MiB' },
    seed: { type: 'string', value: 'N', help: 'seed of the data (7)' },
    faults: { type: 'string', value: 'LIST', help: 'faults and their rates, or none (a mix of all)' },
    files: { type: 'string', value: 'N', help: 'number of files; the last is smaller, every second has another column order (1)' },
    out: { type: 'string', value: 'DIR', help: 'where to write' },
    verify: { type: 'boolean', help: 'compare the output place OUT with the truth in DATA' },
  },
  run: (call) => (call.flags['verify'] === true ? verify(call) : write(call)),
};

async function write(call: CommandCall): Promise<ExitCode> {
  const [kind, ...rest] = call.args;
  if ((kind !== 'orders' && kind !== 'events') || rest.length > 0) {
    throw new CommandError(exitCodes.usage, `expected what to generate, orders or events, got ${JSON.stringify(call.args.join(' '))}`);
  }
  const out = textFlag(call.flags, 'out');
  if (out === undefined) throw new CommandError(exitCodes.usage, 'expected a directory to write to', 'Add --out DIR.');
  const [{ writeData }, { parseFaults }] = await Promise.all([import('../generate/write-data.ts'), import('../generate/faults.ts')]);
  const sizeBytes = readSize(textFlag(call.flags, 'size'));
  const records = readNumber(call, 'records', sizeBytes === null ? DEFAULT_RECORDS : null);
  const seed = readNumber(call, 'seed', 7) as number;
  const files = readNumber(call, 'files', 1) as number;
  const expected = writeData({
    kind,
    directory: resolve(out),
    seed,
    records,
    sizeBytes,
    files,
    faults: readFaults(parseFaults, textFlag(call.flags, 'faults')),
  });
  const bytes = expected.files.reduce((sum, file) => sum + file.bytes, 0);
  call.output.document({ ...expected, bytes });
  call.output.line(
    `${count(expected.balance.recordsIn)} records, ${size(bytes)} in ${expected.files.length} files, ${count(expected.balance.rejected)} faults, seed ${seed}`,
  );
  call.output.line(`Run it:   millrace run ${out}/spec.yaml`);
  call.output.line(`Check it: millrace generate --verify ${out} ${out}/out`);
  return exitCodes.done;
}

function readSize(text: string | undefined): number | null {
  if (text === undefined) return null;
  const bytes = parseSize(text);
  if (bytes === null) throw new CommandError(exitCodes.usage, `expected a size such as 250MiB for --size, got ${JSON.stringify(text)}`);
  return bytes;
}

function readFaults<T>(parse: (text: string | undefined) => T, text: string | undefined): T {
  try {
    return parse(text);
  } catch (error) {
    throw new CommandError(exitCodes.usage, (error as Error).message);
  }
}

function readNumber(call: CommandCall, name: string, otherwise: number | null): number | null {
  const text = textFlag(call.flags, name);
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new CommandError(exitCodes.usage, `expected a whole number of at least 1 for --${name}, got ${JSON.stringify(text)}`);
  return value;
}

async function verify(call: CommandCall): Promise<ExitCode> {
  const [data, out] = call.args;
  if (data === undefined || out === undefined) throw new CommandError(exitCodes.usage, 'expected --verify DATA OUT');
  const { verifyOutput } = await import('../generate/verify.ts');
  const verification = await verifyOutput(resolve(data), resolve(out));
  call.output.document(verification);
  for (const difference of verification.differences) call.output.line(`differs: ${difference}`);
  if (verification.differences.length > 0) return exitCodes.failed;
  call.output.line(`As planted: ${count(verification.rows)} rows and ${count(verification.rejects)} rejects, each where it must be.`);
  return exitCodes.done;
}
