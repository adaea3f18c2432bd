/** What people read before, during and after a run. */
import type { Journal } from '@millrace/journal';
import { codeInfo, type Evidence, type InputPins, type JobId, type JobStatus, type Manifest, manifestCount } from '@millrace/protocol';
import { bar, count, seconds, size } from './output.ts';

/** What was decided about the inputs, in a few lines: dialect, encoding, header, types and where they come from. */
export function describePins(pins: InputPins, files: { readonly count: number; readonly bytes: number; readonly first: string }): string[] {
  const head = [files.count === 1 ? files.first : `${count(files.count)} files`, ` ${size(files.bytes)}`, ` ${describeReading(pins)}`];
  const detected = pins.evidence.some((evidence) => evidence.how === 'detected');
  const lines = [`${head.join(' ')}${detected ? '   (detected)' : ''}`];
  const shown = pins.schema.fields.slice(0, 6).map((field) => `${field.name} ${typeText(field)}`);
  const more = pins.schema.fields.length - shown.length;
  if (shown.length > 0)
    lines.push(`  ${shown.join(' · ')}${more > 0 ? ` · … ${more} more` : ''}   ${pins.inferred.length > 0 ? '(inferred)' : '(from the schema)'}`);
  for (const note of pins.notes.slice(0, 8)) lines.push(`  note: ${note}`);
  return lines;
}

/** How many files an input has, their bytes, and the name of the first. */
export async function filesOf(journal: Journal, jobId: JobId, input: number): Promise<{ count: number; bytes: number; first: string }> {
  const found = { count: 0, bytes: 0, first: '' };
  for await (const file of journal.listInputFiles(jobId)) {
    if (file.input !== input) continue;
    if (found.count === 0) found.first = file.uri.slice(file.uri.lastIndexOf('/') + 1);
    found.count += 1;
    found.bytes += file.size;
  }
  return found;
}

function describeReading(pins: InputPins): string {
  if (pins.dialect === null) return `${pins.format} · ${pins.encoding} · ${pins.schema.fields.length} columns`;
  const { delimiter, quoteChar, header, headerRows } = pins.dialect;
  const quote = quoteChar === '' ? 'no quotes' : `quote ${quoteChar}`;
  const where = header ? `header in line ${headerRows.join(', ')}` : 'no header';
  return `csv · delimiter ${visible(delimiter)} · ${quote} · ${pins.encoding} · ${where} · ${pins.columns.length} columns`;
}

function typeText(field: InputPins['schema']['fields'][number]): string {
  if (field.type === 'number' && field.precision !== null) return `decimal(${field.precision}, ${field.scale ?? 0})`;
  return field.format === 'default' ? field.type : `${field.type} ${field.format}`;
}

const visible = (text: string): string => (text === '\t' ? 'tab' : text === ' ' ? 'blank' : text);

/** Evidence as one line each, for `--verbose` and `check`. */
export function describeEvidence(evidence: Evidence): string {
  const confidence = evidence.confidence === null ? '' : ` ${Math.round(evidence.confidence * 100)} %`;
  const runnerUp = evidence.runnerUp === null ? '' : `, next ${JSON.stringify(evidence.runnerUp)}`;
  return `${evidence.path} = ${JSON.stringify(evidence.value)} (${evidence.how}${confidence}${runnerUp})${evidence.note === null ? '' : ` ${evidence.note}`}`;
}

/** The moving line: chunks, rate, rejects, dead letters. */
export function progressLine(status: JobStatus): string {
  const { total, committed, dead, running, retrying } = status.chunks;
  if (total === 0) return `  ${status.state}${status.waitingFor === null ? '' : `: waiting for ${status.waitingFor}`}`;
  const share = status.sealed ? (committed + dead) / Math.max(1, total) : 0;
  const counter = status.sealed ? `${committed + dead}/${total}` : `${committed + dead}/${total}+`;
  const stage = runningStage(status);
  const parts = [`${bar(share)}  ${counter}${stage === null ? '' : `  ${stage}`}`, `${size(status.bytesPerSecond)}/s`];
  if (status.etaSeconds !== null && status.state === 'running') parts.push(`ETA ${status.etaSeconds} s`);
  parts.push(`${running} running`);
  if (retrying > 0) parts.push(`${retrying} retrying`);
  if (dead > 0) parts.push(`${dead} dead`);
  if (status.balance.rejected > 0) parts.push(`${count(status.balance.rejected)} rejected`);
  return `  ${status.state.padEnd(9)} ${parts.join('   ')}`;
}

/** Of a job with several stages: the one whose chunks run now, and how far it is. */
function runningStage({ stages }: JobStatus): string | null {
  if (stages.length < 2) return null;
  const at = stages.findIndex(({ chunks: { total, committed, dead } }) => committed + dead < total);
  const stage = stages[at];
  return stage === undefined ? null : `stage ${at + 1}/${stages.length} ${stage.name} ${stage.chunks.committed + stage.chunks.dead}/${stage.chunks.total}`;
}

/** Where and how the first reject of each code stands, for the summary. */
export interface FirstReject {
  readonly line: number | null;
  readonly column: string | null;
  readonly message: string;
}

/** The end of a run: the balance as a sum that adds up, and where everything lies. */
export function describeManifest(
  manifest: Manifest,
  firstByCode: ReadonlyMap<string, FirstReject>,
  places: { readonly out: string; readonly rejects: string },
): string[] {
  const { balance } = manifest;
  const row = (name: string, value: number, rest = ''): string => `  ${name.padEnd(14)} ${count(value).padStart(13)}${rest === '' ? '' : `   ${rest}`}`;
  const lines = [
    headline(manifest),
    row('records in', balance.recordsIn),
    row(
      'emitted',
      balance.emitted,
      `${places.out}   ${count(manifestCount(manifest, 'parts'))} parts, ${count(balance.rowsOut)} rows, ${size(manifest.bytes.out)}`,
    ),
    row('filtered', balance.filtered),
    row('deduplicated', balance.deduplicated),
    row('rejected', balance.rejected, balance.rejected === 0 ? '' : places.rejects),
  ];
  const codes = Object.entries(manifest.byCode).sort(([, a], [, b]) => b - a);
  for (const [code, rows] of codes.slice(0, 12)) lines.push(codeLine(code, rows, firstByCode.get(code)));
  if (codes.length > 12) lines.push(`    … ${codes.length - 12} more codes`);
  if (balance.repaired > 0) lines.push(row('repaired', balance.repaired));
  const sum = balance.emitted + balance.filtered + balance.deduplicated + balance.rejected;
  const holds = sum === balance.recordsIn ? 'balance holds' : 'THE BALANCE DOES NOT HOLD';
  lines.push(`  ${holds}: ${count(balance.recordsIn)} = ${[balance.emitted, balance.filtered, balance.deduplicated, balance.rejected].map(count).join(' + ')}`);
  lines.push(...describeStages(manifest));
  lines.push(...describeReplays(manifest), ...describeEvidenceOf(manifest));
  for (const gap of manifest.gaps.slice(0, 5)) lines.push(`  gap: ${gap.chunk} ${gap.code}, accepted by ${gap.acceptedBy}`);
  const gaps = manifestCount(manifest, 'gaps');
  if (gaps > manifest.gaps.length)
    lines.push(`  ${count(gaps)} gaps: in pages of the manifest, ${manifest.pages?.find(({ list }) => list === 'gaps')?.name} and on`);
  return lines;
}

/** Where the replayed records went; the sums above hold each of them once. */
function describeReplays({ replays = [] }: Manifest): string[] {
  return replays.map(({ generation, records, emitted, filtered, rejected, unread }) => {
    const fates = [
      `${count(emitted)} emitted`,
      `${count(filtered)} filtered`,
      `${count(rejected)} rejected again`,
      ...(unread > 0 ? [`${count(unread)} not read`] : []),
    ];
    return `  replayed in generation ${generation}: ${count(records)} rejects, of which ${fates.join(', ')}`;
  });
}

/** What to look at first when a budget ended the job. */
function describeEvidenceOf({ failure }: Manifest): string[] {
  if (!failure?.evidence) return [];
  const { budget, subject, value, of, limit, samples } = failure.evidence;
  const measured = of === null ? `${count(value)} of ${count(limit)}` : `${count(value)} of ${count(of)}, at most ${limit}`;
  const places = samples.slice(0, 5).map((sample) => {
    if (!('record' in sample)) return `    ${sample.deadLetterId}  ${sample.code}  ${sample.message}`;
    const column = sample.column === null ? '' : `  column ${JSON.stringify(sample.column)}`;
    return `    ${sample.code}  ${sample.file}  record ${count(sample.record)}${sample.line === null ? '' : `  line ${count(sample.line)}`}${column}`;
  });
  return [`  budget ${budget}${subject === null ? '' : ` (${subject})`}: ${measured}`, ...places];
}

/** Of several stages what each read and handed on; one stage is the balance above. */
function describeStages({ stages = [] }: Manifest): string[] {
  if (stages.length < 2) return [];
  return stages.map(({ name, kind, chunks, balance: { recordsIn, rowsOut, deduplicated, rejected } }) => {
    const lost = [...(deduplicated > 0 ? [`${count(deduplicated)} deduplicated`] : []), ...(rejected > 0 ? [`${count(rejected)} rejected`] : [])];
    const what = kind === 'map' ? 'records' : 'rows';
    return `    ${name.padEnd(12)} ${count(recordsIn).padStart(13)} ${what} in   ${count(rowsOut).padStart(13)} rows out   ${[`${count(chunks.committed)} chunks`, ...lost].join(', ')}`;
  });
}

function headline(manifest: Manifest): string {
  const took = seconds(manifest.durationMs);
  const generation = manifest.generation > 1 ? ` as generation ${manifest.generation}` : '';
  if (manifest.failure === null) return `${capital(manifest.state)}${generation} in ${took}`;
  return `${capital(manifest.state)}${generation} after ${took}: ${manifest.failure.code}: ${manifest.failure.message}`;
}

function codeLine(code: string, rows: number, first: FirstReject | undefined): string {
  const what = first === undefined ? codeInfo(code).title : first.message;
  const column = first?.column === null || first === undefined ? '' : `column ${first.column}: `;
  const where = first === undefined || first.line === null ? '' : `   first: line ${count(first.line)}`;
  return `    ${code.padEnd(24)} ${count(rows).padStart(9)}   ${column}${what.slice(0, 80)}${where}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
