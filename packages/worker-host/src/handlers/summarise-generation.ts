/**
 * Pure: what a generation amounts to, from the journal's records alone. For each chunk the verdict that counts is the one of the newest generation,
 * up to this one, whose plan lists it.
 */
import {
  addSums,
  type Balance,
  type BudgetSums,
  type Chunk,
  checkReceipt,
  checkSums,
  chunkBytes,
  type DeadVerdict,
  type EndedFile,
  type Gap,
  type InputFile,
  type ManifestFile,
  type ManifestPart,
  type RangeChunk,
  type Receipt,
  type ReceiptSums,
  sumsOfReceipt,
  type Unplannable,
  type Verdict,
  zeroBalance,
  zeroSums,
} from '@millrace/protocol';

/** A chunk as it stands after all plans up to the generation. */
export interface ChunkRecord {
  readonly chunk: Chunk;
  /** The newest generation that lists it. */
  readonly generation: number;
  /** Its verdict of that generation. */
  readonly verdict: Verdict | null;
}

export interface GenerationRecords {
  readonly stage: string;
  readonly generation: number;
  /** In order of their numbers. */
  readonly chunks: readonly ChunkRecord[];
  readonly files: readonly InputFile[];
  readonly ended: readonly EndedFile[];
  /** Files without a plan in this generation. */
  readonly unplannable: readonly Unplannable[];
  readonly inferred: readonly string[];
}

export interface GenerationSummary {
  /** Chunks without outcome; not empty means that the generation goes on. */
  readonly missing: readonly number[];
  readonly sums: ReceiptSums;
  /** A file whose chunks overlap or leave a hole: `PLAN_CONFLICT`. */
  readonly planConflict: string | null;
  /** What is wrong with receipts and sums; not empty means `BALANCE_MISMATCH`. */
  readonly imbalances: readonly string[];
  readonly balance: Balance;
  readonly counts: { readonly total: number; readonly committed: number; readonly dead: number; readonly open: number };
  readonly parts: readonly ManifestPart[];
  readonly rejects: readonly ManifestPart[];
  readonly files: readonly ManifestFile[];
  readonly gaps: readonly Gap[];
  readonly budget: BudgetSums;
}

export function summariseGeneration(records: GenerationRecords): GenerationSummary {
  const committed = records.chunks.flatMap(({ chunk, verdict }) => (verdict?.outcome === 'committed' ? [{ chunk, receipt: verdict }] : []));
  const dead = records.chunks.flatMap(({ chunk, verdict }) => (verdict?.outcome === 'dead' ? [{ chunk, verdict }] : []));
  const sums = committed.reduce((sum, { receipt }) => addSums(sum, sumsOfReceipt(receipt)), zeroSums);
  const gaps = [...dead.map(({ chunk, verdict }) => chunkGap(records.stage, chunk, verdict)), ...records.unplannable.map(fileGap)];
  const deadBytes = dead.reduce((bytes, { chunk }) => bytes + chunkBytes(chunk), 0) + unplannedBytes(records);
  const balance = { ...sums.balance, unreadBytes: deadBytes };
  const files = manifestFiles(records, sums);
  return {
    missing: records.chunks.filter(({ verdict }) => verdict === null || verdict.outcome === 'closed').map(({ chunk }) => chunk.chunk),
    sums,
    planConflict: planConflict(records),
    imbalances: imbalancesOf(committed, sums),
    balance,
    counts: {
      total: records.chunks.length,
      committed: committed.length,
      dead: gaps.length,
      open: records.chunks.length - committed.length - dead.length,
    },
    parts: placedParts(records.stage, committed, (receipt) => receipt.parts),
    rejects: placedParts(records.stage, committed, (receipt) => receipt.rejects),
    files,
    gaps,
    budget: {
      recordsIn: balance.recordsIn,
      rejected: balance.rejected,
      byCode: sums.byCode,
      byColumn: sums.byColumn,
      files: files.map((file) => ({ uri: file.uri, recordsIn: file.balance.recordsIn, rejected: file.balance.rejected })),
      inferred: records.inferred,
      deadChunks: gaps.length,
      deadBytes,
      plannedBytes: records.chunks.reduce((bytes, { chunk }) => bytes + chunkBytes(chunk), 0) + unplannedBytes(records),
    },
  };
}

/** A record that no chunk holds would be missed by every balance, so the chunks of each file must follow one another up to the totals of planning. */
function planConflict({ chunks, ended }: GenerationRecords): string | null {
  const byFile = Map.groupBy(
    chunks.flatMap(({ chunk }) => (chunk.kind === 'range' ? [chunk] : [])),
    ({ file }) => file,
  );
  for (const { file, records } of ended) {
    const problem = holeIn(byFile.get(file) ?? [], records);
    if (problem !== null) return `file ${file}: ${problem}`;
  }
  return null;
}

function holeIn(chunks: readonly RangeChunk[], records: number): string | null {
  const ordered = [...chunks].sort((a, b) => a.start - b.start);
  let [next, end] = [1, ordered[0]?.start ?? 0];
  for (const { chunk, start, record, ...range } of ordered) {
    if (start !== end || record !== next) return `chunk ${chunk} begins with record ${record} at byte ${start}, but ${next} at ${end} is next`;
    [next, end] = [record + range.records, range.end];
  }
  return next - 1 === records ? null : `planning counted ${records} records, its chunks hold ${next - 1}`;
}

interface Committed {
  readonly chunk: Chunk;
  readonly receipt: Receipt;
}

/** A receipt must agree with itself and with its plan; the sums must add up. */
function imbalancesOf(committed: readonly Committed[], sums: ReceiptSums): string[] {
  const problems = committed.flatMap(({ chunk, receipt }) => {
    const planned =
      chunk.kind === 'range' && chunk.records !== receipt.counts.recordsIn ? `${chunk.records} records planned, ${receipt.counts.recordsIn} read` : null;
    const problem = checkReceipt(receipt) ?? planned;
    return problem === null ? [] : [`chunk ${chunk.chunk}: ${problem}`];
  });
  const total = checkSums(sums);
  return total === null ? problems : [...problems, total];
}

const placedParts = (stage: string, committed: readonly Committed[], pick: (receipt: Receipt) => readonly Omit<ManifestPart, 'chunk'>[]): ManifestPart[] =>
  committed.flatMap(({ chunk, receipt }) => pick(receipt).map((part) => ({ ...part, chunk: `${stage}.${chunk.chunk}` })));

function chunkGap(stage: string, chunk: Chunk, verdict: DeadVerdict): Gap {
  const place = chunk.kind === 'range' ? { file: chunk.file, range: { start: chunk.start, end: chunk.end } } : { file: null, range: null };
  return { chunk: `${stage}.${chunk.chunk}`, ...place, code: verdict.code, acceptedBy: 'budget' };
}

const fileGap = (file: Unplannable): Gap => ({ chunk: `plan.${file.file}`, file: file.file, range: null, code: file.code, acceptedBy: 'budget' });

function unplannedBytes(records: GenerationRecords): number {
  const sizes = new Map(records.files.map((file) => [file.file, file.size]));
  return records.unplannable.reduce((bytes, { file }) => bytes + (sizes.get(file) ?? 0), 0);
}

function manifestFiles(records: GenerationRecords, sums: ReceiptSums): ManifestFile[] {
  const ended = new Map(records.ended.map((file) => [file.file, file]));
  return records.files.map(({ file, uri, etag, size }) => {
    const fates = sums.files[String(file)] ?? zeroBalance;
    const { recordsIn, emitted, filtered, deduplicated, rejected } = fates;
    const { lines, blankLines, commentLines } = ended.get(file) ?? { lines: 0, blankLines: 0, commentLines: 0 };
    return { file, uri, etag, size, balance: { ...zeroBalance, recordsIn, emitted, filtered, deduplicated, rejected }, lines, blankLines, commentLines };
  });
}
