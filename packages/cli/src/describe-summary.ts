/** How many rejects there are by what, in lines for people. Pure. */
import { count } from './output.ts';
import { visible } from './server/table.ts';

const shownGroups = 20;

type Groups = readonly (readonly [dimension: string, groups: readonly { readonly label: string; readonly rejects: number }[]])[];

export function describeSummary(rejected: number, recordsIn: number, by: Groups): string[] {
  const share = recordsIn === 0 ? '' : ` (${((100 * rejected) / recordsIn).toFixed(4)} %)`;
  const lines = [`${count(rejected)} rejects of ${count(recordsIn)} records${share}`];
  for (const [dimension, groups] of by) {
    if (groups.length === 0) continue;
    lines.push(`  by ${dimension}`);
    const width = Math.max(...groups.slice(0, shownGroups).map(({ label }) => label.length));
    for (const { label, rejects: number } of groups.slice(0, shownGroups)) lines.push(`    ${visible(label).padEnd(width)}  ${count(number).padStart(12)}`);
    if (groups.length > shownGroups) lines.push(`    … ${count(groups.length - shownGroups)} more`);
  }
  return lines;
}
