/**
 * Writes what services tell of themselves into `docs/telemetry.md`: each metric as it is declared, each log line as it stands in the sources. `--check`:
 * says whether the page is as it would be written, and writes nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiMetrics } from '../packages/api/src/metrics.ts';
import { schedulerFolding, schedulerMetrics } from '../packages/scheduler/src/metrics.ts';
import { type LabelSet, type MetricDescription, OpenNames, type ProcessMetrics, processMetrics } from '../packages/service-kit/src/index.ts';
import { hostFolding, hostMetrics } from '../packages/worker-host/src/metrics.ts';
import { type LogCall, readLogCalls } from './log-messages.ts';
import { root } from './setup.js';

export const pagePath = join(root, 'docs/telemetry.md');

/** Longer sets are counted, and named where they are defined. */
const mostListed = 14;
/** One pool, as a process of an installation has it. */
const pool = 'default';

/** Of each service the metrics that it declares, in order. */
export function declaredMetrics(): ReadonlyMap<string, ProcessMetrics> {
  const declare = (
    folding: readonly string[],
    of: (telling: ProcessMetrics, pool: string) => { recordBuild: ProcessMetrics['recordBuild'] },
  ): ProcessMetrics => {
    const telling = processMetrics(folding);
    of(telling, pool).recordBuild({ service: 'service', version: 'version', coreVersion: 'core_version', resultVersion: 1 });
    return telling;
  };
  return new Map([
    ['scheduler', declare(schedulerFolding, schedulerMetrics)],
    ['worker-host', declare(hostFolding, hostMetrics)],
    ['api', declare([], apiMetrics)],
  ]);
}

/** The page with its generated blocks as they must be. Throws when a block is missing, or a log call cannot be told. */
export function writtenPage(page: string): string {
  const declared = declaredMetrics();
  const blocks = new Map<string, string>();
  const described = new Map([...declared].map(([service, { metrics }]) => [service, metrics.described]));
  const everywhere = rowsOfAll([...described.values()]);
  blocks.set('metrics of every process', metricTable(everywhere));
  for (const [service, metrics] of described)
    blocks.set(`metrics of ${service}`, metricTable(metrics.map(metricRow).filter((row) => !everywhere.includes(row))));
  const { calls, context, problems } = readLogCalls();
  if (problems.length > 0) throw new Error(`log calls that cannot be told:\n${problems.join('\n')}`);
  blocks.set('log messages', logTable(calls));
  blocks.set('context of log lines', `Child loggers add ${context.map((field) => `\`${field}\``).join(', ')} where they are known.\n`);
  blocks.set('fields of log lines', fieldTable(page, new Set([...context, ...calls.flatMap(({ fields }) => fields)])));
  return [...blocks].reduce((text, [name, block]) => withBlock(text, name, block), page);
}

/** Those that every service declares with the same values. */
function rowsOfAll(services: readonly (readonly MetricDescription[])[]): readonly string[] {
  const [first = [], ...others] = services.map((metrics) => metrics.map(metricRow));
  return first.filter((row) => others.every((rows) => rows.includes(row)));
}

function metricRow({ name, type, help, labels, buckets }: MetricDescription): string {
  const sets = Object.entries(labels).map(([label, set]) => `\`${label}\`${valuesText(set)}`);
  return `| \`${name}\` | ${type}${buckets === null ? '' : ` \`${buckets}\``} | ${sets.join('; ')} | ${help} |`;
}

function metricTable(rows: readonly string[]): string {
  return ['| metric | type | labels | help |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

function valuesText(set: LabelSet): string {
  if (set instanceof OpenNames) return ` (the first ${set.most}, then \`other\`)`;
  if (set.length > mostListed) return ` (${set.length} values)`;
  return set.length === 1 ? ' (the one of this process)' : ` (${set.join(', ')})`;
}

/** One row for each message and level, with the fields of all calls that say it. */
function logTable(calls: readonly LogCall[]): string {
  const rows = new Map<string, { services: Set<string>; fields: Set<string> }>();
  for (const { packageName, level, message, fields } of calls) {
    const key = `| \`${message}\` | ${level} |`;
    const row = rows.get(key) ?? { services: new Set(), fields: new Set() };
    row.services.add(servicesOf(packageName));
    for (const field of fields) row.fields.add(field);
    rows.set(key, row);
  }
  const lines = [...rows].map(
    ([key, { services, fields }]) => `${key} ${[...services].join(', ')} | ${[...fields].map((field) => `\`${field}\``).join(' ')} |`,
  );
  return ['| message | level | who says it | fields |', '| --- | --- | --- | --- |', ...lines.sort(), ''].join('\n');
}

/** The fields that there are, with the meanings that stand on the page: those are people's. A new one has none yet, which a test does not let pass. */
function fieldTable(page: string, used: ReadonlySet<string>): string {
  const meanings = new Map([...page.matchAll(/^\| `(\w+)` \| ([^|]*) \|$/gm)].map(([, field = '', meaning = '']) => [field, meaning]));
  const rows = [...used].toSorted().map((field) => `| \`${field}\` | ${meanings.get(field) ?? ''} |`);
  return ['| field | meaning |', '| --- | --- |', ...rows, ''].join('\n');
}

/** A package that every service stands on speaks with the voice of each. */
const servicesOf = (packageName: string): string => (['scheduler', 'worker-host', 'api'].includes(packageName) ? packageName : 'all');

function withBlock(page: string, name: string, block: string): string {
  const begin = `<!-- generated: ${name} -->\n`;
  const from = page.indexOf(begin);
  const to = page.indexOf('<!-- end -->', from);
  if (from < 0 || to < 0) throw new Error(`docs/telemetry.md has no block "${begin.trim()}" … "<!-- end -->"`);
  return `${page.slice(0, from + begin.length)}${block}${page.slice(to)}`;
}

if (process.argv[1] === import.meta.filename) {
  const page = readFileSync(pagePath, 'utf8');
  const written = writtenPage(page);
  if (!process.argv.includes('--check')) writeFileSync(pagePath, written);
  else if (written !== page) {
    console.error('docs/telemetry.md is not what the code tells; npm run generate writes it');
    process.exit(1);
  }
}
