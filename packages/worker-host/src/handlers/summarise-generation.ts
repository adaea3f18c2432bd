/**
 * Pure: what a generation amounts to, from the journal's records alone. For each chunk the verdict that counts is the one of the newest generation,
 * up to this one, whose plan lists it.
 */
import type { Waivers } from '@millrace/journal';
import {
  type Balance,
  type BudgetSums,
  balanceOfStages,
  type Chunk,
  type Command,
  checkBalance,
  checkReceipt,
  checkSums,
  chunkBytes,
  type DeadVerdict,
  type EndedFile,
  type FileChunk,
  fileShares,
  fileStages,
  type Gap,
  type InputFile,
  isFileChunk,
  isKeyStage,
  isReplay,
  keyStages,
  laterStages,
  type ManifestFile,
  type ManifestPart,
  type ManifestStage,
  plannedRecords,
  type Receipt,
  type ReceiptSums,
  type Stage,
  sumAll,
  sumsOfChunk,
  type Unplannable,
  type Verdict,
  zeroBalance,
} from '@millrace/protocol';

/** A chunk as it stands after all plans up to the generation. */
export interface ChunkRecord {
  readonly stage: string;
  readonly chunk: Chunk;
  /** The newest generation that lists it. */
  readonly generation: number;
  /** Its verdict of that generation. */
  readonly verdict: Verdict | null;
}

export interface GenerationRecords {
  /** In running order. */
  readonly stages: readonly Pick<Stage, 'name' | 'kind' | 'from'>[];
  readonly generation: number;
  /** In order of their numbers. */
  readonly chunks: readonly ChunkRecord[];
  readonly files: readonly InputFile[];
  readonly ended: readonly EndedFile[];
  /** Files without a plan in this generation. */
  readonly unplannable: readonly Unplannable[];
  readonly inferred: readonly string[];
  /** What people have accepted as missing. */
  readonly waivers: Waivers;
}

export interface GenerationSummary {
  /** Chunks without outcome; not empty means that the generation goes on. */
  readonly missing: readonly Pick<ChunkRecord, 'stage' | 'chunk'>[];
  /** Codes, columns and stored bytes: `bytesIn` is what map stages read of the inputs, `bytesOut` what lies in parts. */
  readonly sums: Pick<ReceiptSums, 'byCode' | 'byColumn' | 'bytesIn' | 'bytesOut'>;
  readonly stages: readonly ManifestStage[];
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
  const committed = records.chunks.flatMap(({ stage, chunk, verdict }) => (verdict?.outcome === 'committed' ? [{ stage, chunk, receipt: verdict }] : []));
  const dead = records.chunks.flatMap(({ stage, chunk, verdict }) => (verdict?.outcome === 'dead' ? [{ stage, chunk, verdict }] : []));
  const stages = records.stages.map((stage) => summariseStage(stage, records, committed, dead));
  const all = sumsOf(committed);
  // A pass over keys reads the same bytes as the stage behind it: what became of its records is counted there.
  const maps = sumsOf(committed.filter(({ stage, chunk }) => chunk.kind !== 'partition' && !isKeyStage(stage)));
  const unread = committed.flatMap(unreadFiles);
  const { waivers, generation } = records;
  const waiverOf = ({ stage, chunk, verdict }: (typeof dead)[number]): Command | null => waivers.of(stage, chunk.chunk, verdict.generation);
  const waiverOfFile = ({ file }: Unplannable): Command | null => waivers.of('plan', file, generation);
  const gaps = [
    ...dead.map((one) => acceptedGap(chunkGap(one.stage, one.chunk, one.verdict), waiverOf(one))),
    ...unread.map(unreadGap),
    ...records.unplannable.map((file) => acceptedGap(fileGap(file), waiverOfFile(file))),
  ];
  // What somebody has answered for is not counted against a budget.
  const counted = { dead: dead.filter((one) => waiverOf(one) === null), unplannable: records.unplannable.filter((file) => waiverOfFile(file) === null) };
  const countedLost = bytesOf(unread.map(({ share: chunk }) => ({ chunk }))) + unplannedBytes({ ...records, unplannable: counted.unplannable });
  const lostBytes = bytesOf(unread.map(({ share: chunk }) => ({ chunk }))) + unplannedBytes(records);
  const unreadBytes = unreadOf(dead) + lostBytes;
  const balance = { ...balanceOfStages(stages), unreadBytes };
  const files = manifestFiles(records, maps);
  return {
    missing: records.chunks.filter(({ verdict }) => verdict === null || verdict.outcome === 'closed'),
    sums: { byCode: all.byCode, byColumn: all.byColumn, bytesIn: maps.bytesIn, bytesOut: all.bytesOut },
    stages,
    planConflict: planConflict(records),
    imbalances: [...imbalancesOf(committed, maps), ...stageImbalances(records, stages), ...unreadBehindKeys(records)],
    balance,
    counts: {
      total: records.chunks.length,
      committed: committed.length,
      dead: gaps.length,
      open: records.chunks.length - committed.length - dead.length,
    },
    parts: placedParts(committed, (receipt) => receipt.parts),
    rejects: placedParts(committed, (receipt) => receipt.rejects),
    files,
    gaps,
    budget: {
      recordsIn: balance.recordsIn,
      // All of them: behind a stage that makes other rows of its rows the job's balance cannot hold them, but they are lost all the same.
      rejected: stages.reduce((sum, stage) => sum + stage.balance.rejected, 0),
      byCode: all.byCode,
      byColumn: all.byColumn,
      files: files.map((file) => ({ uri: file.uri, recordsIn: file.balance.recordsIn, rejected: file.balance.rejected })),
      inferred: records.inferred,
      deadChunks: counted.dead.length + unread.length + counted.unplannable.length,
      deadBytes: bytesOf(counted.dead) + countedLost,
      plannedBytes: bytesOf(records.chunks) + unplannedBytes(records),
    },
  };
}

const sumsOf = (committed: readonly Committed[]): ReceiptSums => sumAll(committed.map(({ chunk, receipt }) => sumsOfChunk(chunk, receipt)));

const bytesOf = (chunks: readonly { readonly chunk: Chunk }[]): number => chunks.reduce((bytes, { chunk }) => bytes + chunkBytes(chunk), 0);

/** Rows of a partition were read by the stage before, and replayed records by the chunk that rejected them. */
const unreadOf = (dead: readonly { readonly chunk: Chunk }[]): number => bytesOf(dead.filter(({ chunk }) => chunk.kind !== 'partition' && !isReplay(chunk)));

function summariseStage(
  { name, kind }: Pick<Stage, 'name' | 'kind'>,
  records: GenerationRecords,
  committed: readonly Committed[],
  dead: readonly { readonly stage: string; readonly chunk: Chunk }[],
): ManifestStage {
  const own = <Item extends { readonly stage: string }>(items: readonly Item[]): Item[] => items.filter(({ stage }) => stage === name);
  const unread = own(committed)
    .flatMap(unreadFiles)
    .map(({ share: chunk }) => ({ chunk }));
  const unreadBytes = kind === 'map' ? unreadOf(own(dead)) + bytesOf(unread) : 0;
  const chunks = { total: own(records.chunks).length, committed: own(committed).length, dead: own(dead).length };
  return { name, kind, chunks, balance: { ...sumsOf(own(committed)).balance, unreadBytes } };
}

/** What one stage hands on the next one must have been given, whether its chunks committed or died. */
function stageImbalances({ stages, chunks }: GenerationRecords, sums: readonly ManifestStage[]): string[] {
  const byName = new Map(sums.map((stage) => [stage.name, stage.balance]));
  return stages.flatMap(({ name, kind, from }) => {
    const own = byName.get(name);
    const problem = own === undefined ? null : checkBalance(own);
    const planned = chunks.filter(({ stage }) => stage === name);
    const found = problem === null ? [] : [`stage ${name}: ${problem}`];
    if (kind === 'map' || planned.length === 0) return found;
    const given = planned.reduce((rows, { chunk }) => rows + (chunk.kind === 'partition' ? chunk.rows : 0), 0);
    const handedOn = from.reduce((rows, stage) => rows + (byName.get(stage)?.rowsOut ?? 0), 0);
    return given === handedOn ? found : [...found, `stage ${name}: ${from.join(' and ')} handed on ${handedOn} rows, its partitions hold ${given}`];
  });
}

/** What the stage `unique` has read the stages behind it must read, chunk for chunk; what died there is a gap of it alone. */
function unreadBehindKeys({ stages, chunks }: GenerationRecords): string[] {
  const behind = new Set(laterStages(stages).flatMap(({ name, kind }) => (kind === 'map' ? [name] : [])));
  const read = placesOf(chunks.filter(({ stage, verdict }) => stage === keyStages.unique && verdict?.outcome === 'committed'));
  const planned = placesOf(chunks.filter(({ stage }) => behind.has(stage)));
  const lacking = [...read].find((place) => !planned.has(place)) ?? [...planned].find((place) => !read.has(place));
  return lacking === undefined ? [] : [`${lacking}: read by only one of stage ${keyStages.unique} and the stages behind it`];
}

/** Where each chunk begins, whatever its number. */
const placesOf = (records: readonly ChunkRecord[]): Set<string> => new Set(records.map(({ chunk }) => placeOf(chunk)));

function placeOf(chunk: Chunk): string {
  const [first] = fileShares(chunk);
  if (first !== undefined) return `file ${first.file} from ${first.start}`;
  return chunk.kind === 'inline' ? `${chunk.key} from ${chunk.offset}` : `chunk ${chunk.chunk}`;
}

/** A record that no chunk holds would be missed by every balance, so the chunks of each file must follow one another up to the totals of planning. */
function planConflict({ stages, chunks, ended }: GenerationRecords): string | null {
  const readers = new Set(fileStages(stages).map(({ name }) => name));
  const byFile = Map.groupBy(
    chunks.filter(({ stage }) => readers.has(stage)).flatMap(({ chunk }) => fileShares(chunk)),
    ({ file }) => file,
  );
  for (const { file, records } of ended) {
    const problem = holeIn(byFile.get(file) ?? [], records);
    if (problem !== null) return `file ${file}: ${problem}`;
  }
  return null;
}

function holeIn(chunks: readonly FileChunk[], records: number): string | null {
  const ordered = [...chunks].sort((a, b) => a.start - b.start);
  let [next, end] = [1, ordered[0]?.start ?? 0];
  for (const part of ordered) {
    const { chunk, start } = part;
    const record = part.kind === 'rows' ? start + 1 : part.record;
    const unit = part.kind === 'rows' ? 'row' : 'byte';
    if (start !== end || record !== next) return `chunk ${chunk} begins with record ${record} at ${unit} ${start}, but ${next} at ${end} is next`;
    [next, end] = [record + part.records, part.end];
  }
  return next - 1 === records ? null : `planning counted ${records} records, its chunks hold ${next - 1}`;
}

interface Committed {
  readonly stage: string;
  readonly chunk: Chunk;
  readonly receipt: Receipt;
}

/** A receipt must agree with itself and with its plan; the sums must add up. */
function imbalancesOf(committed: readonly Committed[], sums: ReceiptSums): string[] {
  const problems = committed.flatMap(({ chunk, receipt }) => {
    const expected = recordsToRead({ chunk, receipt });
    const planned = expected !== null && expected !== receipt.counts.recordsIn ? `${expected} records planned, ${receipt.counts.recordsIn} read` : null;
    const problem = checkReceipt(receipt) ?? planned;
    return problem === null ? [] : [`chunk ${chunk.chunk}: ${problem}`];
  });
  const total = checkSums(sums);
  return total === null ? problems : [...problems, total];
}

/** A file of a group that its chunk was committed without. */
interface UnreadFile {
  readonly stage: string;
  readonly share: FileChunk;
  readonly code: string;
}

function unreadFiles({ stage, chunk, receipt }: Committed): UnreadFile[] {
  const shares = new Map(fileShares(chunk).map((share) => [share.file, share]));
  return (receipt.unread ?? []).flatMap(({ file, code }) => {
    const share = shares.get(file);
    return share === undefined ? [] : [{ stage, share, code }];
  });
}

/** Records that planning counted, without those of files that were left out. */
function recordsToRead({ chunk, receipt }: Pick<Committed, 'chunk' | 'receipt'>): number | null {
  const planned = plannedRecords(chunk);
  if (planned === null) return null;
  return unreadFiles({ stage: receipt.stage, chunk, receipt }).reduce((records, { share }) => records - share.records, planned);
}

const placedParts = (committed: readonly Committed[], pick: (receipt: Receipt) => readonly Omit<ManifestPart, 'chunk'>[]): ManifestPart[] =>
  committed.flatMap(({ stage, chunk, receipt }) => pick(receipt).map((part) => ({ ...part, chunk: `${stage}.${chunk.chunk}` })));

function chunkGap(stage: string, chunk: Chunk, verdict: Pick<DeadVerdict, 'code'>): Gap {
  const place = isFileChunk(chunk) ? { file: chunk.file, range: { start: chunk.start, end: chunk.end } } : { file: null, range: null };
  return { chunk: `${stage}.${chunk.chunk}`, ...place, code: verdict.code, acceptedBy: 'budget' };
}

/** A gap that somebody waived names who and why. */
function acceptedGap(gap: Gap, waiver: Command | null): Gap {
  return waiver === null ? gap : { ...gap, acceptedBy: waiver.by, reason: waiver.reason };
}

const unreadGap = ({ stage, share, code }: UnreadFile): Gap => chunkGap(stage, share, { code });

const fileGap = (file: Unplannable): Gap => ({ chunk: `plan.${file.file}`, file: file.file, range: null, code: file.code, acceptedBy: 'budget' });

function unplannedBytes(records: GenerationRecords): number {
  const left = new Map(records.files.map((file) => [file.file, file.size]));
  // Of a file that is cut off its planned chunks count by themselves.
  for (const { chunk } of records.chunks)
    for (const share of fileShares(chunk)) left.set(share.file, Math.max(0, (left.get(share.file) ?? 0) - chunkBytes(share)));
  return records.unplannable.reduce((bytes, { file }) => bytes + (left.get(file) ?? 0), 0);
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
