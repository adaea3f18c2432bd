/** A request whose shape holds and whose content does not, as the problem that names the place. */
import { type FilterFields, parseFilter } from '@millrace/protocol';
import { ApiProblem } from '../problem.ts';

export function badRequest(pointer: string, message: string): ApiProblem {
  return new ApiProblem('REQUEST_INVALID', message, { issues: [{ pointer, code: 'REQUEST_INVALID', message }] });
}

/** Throws `FILTER_INVALID` naming the field of the body. */
export function checkFilter(text: string, fields: FilterFields, pointer: string): string {
  try {
    return parseFilter(text, fields).text;
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'FILTER_INVALID') throw error;
    const suggestion = 'suggestion' in error && typeof error.suggestion === 'string' ? { suggestion: error.suggestion } : {};
    throw new ApiProblem('FILTER_INVALID', error.message, { issues: [{ pointer, code: 'FILTER_INVALID', message: error.message, ...suggestion }] });
  }
}
