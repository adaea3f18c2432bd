/** The page that `type` of a problem leads to: what a code means and what to do about it. Pure. */
import { statusOf } from '@millrace/api-contract';
import { classOf, codeInfo, type FailureClass, isFailureCode } from '@millrace/protocol';

const whatHappens: Readonly<Record<FailureClass, string>> = {
  data: 'The record is rejected with its place and kept in quarantine; the chunk commits. The budget of rejects decides whether the job goes on.',
  input: 'Trying again cannot cure it: the chunk is a dead letter at once. Redrive it when the cause is gone.',
  transient: 'The chunk is tried again with growing delays, as often as the job allows; then it is a dead letter.',
  resource: 'The chunk is tried again with less, then in halves; then it is a dead letter.',
  crash: 'The chunk is tried again on a fresh core, then in halves, until the record that kills the core is alone and rejected.',
  lost: 'The chunk is given to another host. That uses up none of its attempts.',
  bug: 'The chunk is tried once more; then it is a dead letter. Please report it.',
};

/** Null: there is no such code. */
export function codePage(code: string): string | null {
  if (!isFailureCode(code)) return null;
  const { title, hint } = codeInfo(code);
  const failureClass = classOf(code);
  const status = statusOf(code);
  const facts = [
    ['Class', failureClass === null ? 'none: it ends a job or refuses a call, not an attempt' : failureClass],
    ...(failureClass === null && status !== 500 ? [['Status of the answer', String(status)]] : []),
  ];
  const body = [
    `<h1>${code}</h1>`,
    `<p>${escaped(sentence(title))}</p>`,
    `<dl>${facts.map(([name = '', value = '']) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>`,
    ...(failureClass === null ? [] : [`<h2>What happens</h2><p>${escaped(whatHappens[failureClass])}</p>`]),
    ...(hint === '' ? [] : [`<h2>What to do</h2><p>${escaped(sentence(hint))}</p>`]),
  ].join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${code} · Millrace</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}h1{font-family:ui-monospace,monospace;font-size:1.4rem}dt{font-weight:600}</style>
</head><body>
${body}
</body></html>
`;
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[letter] ?? letter);
