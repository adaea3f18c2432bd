/** How often something failed and how much of it is dead, in words. What planning gives up at once is dead without a failed attempt. Pure. */
import { formatCount, formatNoun } from '../../format/numbers.ts';

export function failuresAndDead({ failures, dead }: { readonly failures: number; readonly dead: number }): string {
  if (dead === 0) return formatNoun(failures, 'failure');
  return failures === 0 ? `${formatCount(dead)} dead` : `${formatNoun(failures, 'failure')} · ${formatCount(dead)} dead`;
}
