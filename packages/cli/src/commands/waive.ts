/** `millrace waive [FILTER] --reason TEXT`: accepts that the work of dead letters is missing; each job is judged anew with their gaps named. */
import { type Command, isSet, textFlag } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { namesDirectory } from '../place.ts';
import { waiveOnServer } from '../server/redrive.ts';
import { serverFlags } from '../server/server-call.ts';
import { operate } from './redrive.ts';

export const waive: Command = {
  name: 'waive',
  synopsis: '[JOB | DIR] [CHUNK… | FILTER] --reason TEXT [--dry-run] [--wait]   |   FINGERPRINT --reason TEXT',
  help: 'Accepts the gaps of dead letters, by name and with a reason: they count as tolerated, so that a job which failed only for its budget completes as its next generation. What would be waived is counted, shown and asked for first.',
  flags: {
    reason: { type: 'string', value: 'TEXT', help: 'why: the waiver stands under it' },
    'dry-run': { type: 'boolean', help: 'only say what would be waived' },
    wait: { type: 'boolean', help: 'follow it to its end (a directory: always)' },
    ...serverFlags,
  },
  run: (call) => {
    if (!namesDirectory(call.args[0])) return waiveOnServer(call);
    if (textFlag(call.flags, 'reason') !== undefined || isSet(call.flags, 'dry-run')) return operate(call, 'waive');
    throw new CommandError(exitCodes.usage, 'expected why: a waiver stands under its reason', 'Add --reason TEXT.');
  },
};
