/** Writes `docs/configuration.md` from the schemas that services read their settings with. `--check`: says whether it is as it would be written. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiFileVariables, apiSettings } from '../packages/api/src/config.ts';
import { schedulerFileVariables, schedulerSettings } from '../packages/scheduler/src/config.ts';
import { type ConfigShape, describeSettings, type SettingDescription } from '../packages/service-kit/src/index.ts';
import { workerHostFileVariables, workerHostSettings } from '../packages/worker-host/src/config.ts';
import { root } from './setup.js';

export const pagePath = join(root, 'docs/configuration.md');

/** Every service with its schema, and the variables that may name a file instead. */
export const services: Readonly<Record<string, { readonly shape: ConfigShape; readonly files: readonly string[] }>> = {
  scheduler: { shape: schedulerSettings, files: schedulerFileVariables },
  'worker-host': { shape: workerHostSettings, files: workerHostFileVariables },
  api: { shape: apiSettings, files: apiFileVariables },
};

const intro = `# Settings

Each service reads its settings from the environment, once, at its start. All problems are told at once; a variable that begins with \`MILLRACE_\` and that the
service does not know is refused with the name nearest to it; nothing is corrected. An empty variable counts as one that is not given. Where *or \`…_FILE\`* stands
the value may lie in a file, whose path that variable gives: for secrets.

This page is written by \`npm run generate\` from the schemas in \`packages/*/src/config.ts\`.
`;

export function writtenPage(): string {
  return [intro, ...Object.entries(services).map(([name, { shape, files }]) => section(name, describeSettings(shape), files))].join('\n');
}

function section(service: string, settings: readonly SettingDescription[], files: readonly string[]): string {
  const rows = settings.map(({ name, expected, standard, isRequired, help }) => {
    const also = files.includes(name) ? `, or \`${name}_FILE\`` : '';
    return `| \`${name}\`${also} | ${expected} | ${isRequired ? '**required**' : standardText(standard)} | ${help.replaceAll(/[|<]/g, '\\$&')} |`;
  });
  return [`## ${service}`, '', '| variable | value | when not given | what it is |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

function standardText(standard: string | null): string {
  if (standard === null) return '–';
  if (standard === '') return 'none';
  // Where a checkout lies is nobody's default.
  return standard.startsWith(root) ? `\`${standard.slice(root.length + 1)}\` of the checkout` : `\`${standard}\``;
}

if (process.argv[1] === import.meta.filename) {
  const written = writtenPage();
  if (!process.argv.includes('--check')) writeFileSync(pagePath, written);
  else if (written !== readFileSync(pagePath, 'utf8')) {
    console.error('docs/configuration.md is not what the schemas say; npm run generate writes it');
    process.exit(1);
  }
}
