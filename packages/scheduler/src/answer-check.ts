/**
 * A spec looked at as a submit would, down to the inputs that stand there now, and nothing kept of it. Where a submit stops at the first kind of mistake,
 * this goes on: whoever asks wants to mend them all at once.
 */
import {
  type AnswerTo,
  type CheckRequest,
  type InputFile,
  isFailureCode,
  newJobId,
  type ResolvedJobSpec,
  type SpecIssue,
  spreadSamples,
  tooManyChunks,
} from '@millrace/protocol';
import { AppError } from '@millrace/service-kit';
import { callbackIssues, checkSql, checkWritten, foreignOutput, recurringIssues } from './check-spec.ts';
import type { Control } from './control.ts';
import { refusalOf } from './refusal.ts';
import { resolveInput, resolveLookups } from './resolve-inputs.ts';
import { withSchemas } from './schema-files.ts';

type Checked = Extract<AnswerTo<'check'>, { ok: true }>;
type CheckedInput = NonNullable<Checked['inputs'][number]>;

/** Files of an input that are named, of however many. */
const namedFiles = 20;

export async function checkSubmit(request: CheckRequest, control: Control): Promise<AnswerTo<'check'>> {
  const checked = checkWritten(request.spec, request.tenant, control.connections);
  if ('issues' in checked) return unread(checked.issues);
  const whole = await withSchemas(checked.spec, request.tenant, control);
  if ('issues' in whole) return unread([...whole.issues, ...recurringIssues(checked.spec)]);
  const { spec } = whole;
  const sql = await checkSql(spec, control);
  const issues = [...recurringIssues(spec), ...(await callbackIssues(spec, control)), ...(sql === null ? [] : [sql]), ...(await outputIssues(spec, control))];
  const lookups = await orIssue('/pipeline', () => resolveLookups(spec, control));
  if ('issue' in lookups) issues.push(lookups.issue);
  const inputs: (CheckedInput | null)[] = [];
  for (const index of spec.inputs.keys()) {
    const found = await orIssue(`/inputs/${index}`, () => filesOf(spec, index, control));
    if ('issue' in found) issues.push(found.issue);
    inputs.push('issue' in found ? null : found.value);
  }
  const bytes = inputs.reduce((sum, input) => sum + (input?.bytes ?? 0), 0);
  const tooMany = tooManyChunks(bytes, spec.execution.chunkSize);
  if (tooMany !== null) issues.push({ pointer: '/execution/chunkSize', code: 'SPEC_OUT_OF_RANGE', message: tooMany });
  return { ok: true, kind: 'check', issues, spec, inputs, lookups: 'issue' in lookups ? null : lookups.value };
}

const unread = (issues: readonly SpecIssue[]): Checked => ({ ok: true, kind: 'check', issues, spec: null, inputs: [], lookups: null });

async function outputIssues(spec: ResolvedJobSpec, control: Control): Promise<SpecIssue[]> {
  const pointer = '/output/uri';
  // No job has this id yet: whatever lies there is not its own.
  const foreign = await orIssue(pointer, () => foreignOutput(spec, newJobId(control.ids), control));
  if ('issue' in foreign) return [foreign.issue];
  if (foreign.value === null) return [];
  return [{ pointer, code: 'OUTPUT_NOT_EMPTY', message: `${spec.output.uri} already holds ${foreign.value}; another place, or ifNotEmpty: append` }];
}

async function filesOf(spec: ResolvedJobSpec, index: number, control: Control): Promise<CheckedInput> {
  const files = await resolveInput(spec.inputs[index] as ResolvedJobSpec['inputs'][number], control);
  const shown = ({ uri, etag, size }: Pick<InputFile, 'uri' | 'etag' | 'size'>) => ({ uri, etag, size });
  return {
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    first: files.slice(0, namedFiles).map(shown),
    samples: spreadSamples(files).map(shown),
  };
}

/** What whoever wrote the spec can mend is an issue; a store that is away is not, and is thrown. */
async function orIssue<T>(pointer: string, look: () => Promise<T>): Promise<{ readonly value: T } | { readonly issue: SpecIssue }> {
  try {
    return { value: await look() };
  } catch (error) {
    if (!(error instanceof AppError) || !isFailureCode(error.code) || refusalOf(error).retryable) throw error;
    return { issue: { pointer, code: error.code, message: error.message } };
  }
}
