import { type Filter, FilterError, type FilterFields, parseFilter } from '@millrace/protocol';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';

/** What stands on the command line as a filter; one that cannot be read is a usage error. */
export function readFilter(text: string, fields: FilterFields): Filter {
  try {
    return parseFilter(text, fields);
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new CommandError(exitCodes.usage, error.message, `Fields: ${Object.keys(fields).join(' ')}`, { code: error.code });
  }
}
