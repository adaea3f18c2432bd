/** Writes `docs/error-codes.md` from the catalogue of codes. `--check`: says whether it is as it would be written. */
import { join } from 'node:path';
import { statusOf } from '../packages/api-contract/src/problem.ts';
import { type FailureClass, type FailureCode, failureClasses, failureCodes } from '../packages/protocol/src/failure.ts';
import { root } from './setup.js';
import { writeOrCheck } from './write-or-check.ts';

export const pagePath = join(root, 'docs/error-codes.md');

/** Who meets a code of this class, and what happens then. */
const classTexts: Readonly<Record<FailureClass | 'call', { readonly title: string; readonly text: string }>> = {
  data: { title: 'data: a record', text: 'The record becomes a reject with its place and bytes; its chunk commits. Many of them use up a budget.' },
  input: { title: 'input: a file', text: 'Trying again cannot help: the chunk or the file is a dead letter at once. Mend the file or the spec, then redrive.' },
  transient: { title: 'transient: it may pass', text: 'Tried again with growing pauses, up to `execution.maxAttempts`; then a dead letter.' },
  resource: { title: 'resource: too little of something', text: 'Tried again with less at a time; then a dead letter.' },
  crash: { title: 'crash: a core died', text: 'Tried again in a fresh core; then the chunk is halved until the record that kills it is found and rejected.' },
  lost: { title: 'lost: nobody is to blame', text: 'Another host takes the task. It uses up no attempt, within bounds.' },
  bug: { title: 'bug: a fault of ours', text: 'Tried once more, then a dead letter. Report it.' },
  call: {
    title: 'Refusals and ends of jobs',
    text: 'These end no attempt: they refuse a call or a spec, or say why a job has ended. The status is that of the HTTP answer that names the code.',
  },
};

const intro = `# Error codes

Every failure, reject and refusal has a code; nobody needs to match on the text of a message. A code is never renamed or used for something else. The class
decides what happens. \`millrace explain CODE\` says the same on the command line, and \`/docs/errors/CODE\` on a server.

This page is written by \`npm run generate\` from \`packages/protocol/src/failure.ts\` and \`packages/api-contract/src/problem.ts\`.
`;

export function writtenPage(): string {
  return [intro, ...[...failureClasses, 'call' as const].map(section)].join('\n');
}

function section(kind: FailureClass | 'call'): string {
  const { title, text } = classTexts[kind];
  const isCall = kind === 'call';
  const codes = Object.entries(failureCodes).filter(([, info]) => (info.class ?? 'call') === kind);
  // A record or an attempt is no answer to a call, but some of these codes refuse one too.
  const rows = codes.map(
    ([code, { title: meaning, hint }]) => `| \`${code}\` | ${meaning} | ${hint || 'the message says it'} | ${statusText(code as FailureCode, isCall)} |`,
  );
  return [`## ${title}`, '', text, '', '| code | what it means | what to do | HTTP |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

const statusText = (code: FailureCode, isCall: boolean): string => (isCall || statusOf(code) !== 500 ? String(statusOf(code)) : '–');

if (process.argv[1] === import.meta.filename) writeOrCheck(pagePath, writtenPage(), 'the catalogue of codes says');
