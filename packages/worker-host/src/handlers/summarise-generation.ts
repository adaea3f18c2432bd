/**
 * Pure: what a generation amounts to, from the journal's records alone, chunk by chunk, so that nothing grows with their number. For each chunk the verdict
 * that counts is the one of the newest generation, up to this one, whose plan lists it.
 */
import type { Waivers } from '@millrace/journal';
import {
  addBalances,
  addFates,
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
  type Fates,
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
  RunningSums,
  type Stage,
  sumsOfChunk,
  type Unplannable,
  type Verdict,
  zeroBalance,
} from '@millrace/protocol';
import { FileRuns } from './file-runs.ts';

/** A chunk as it stands after all plans up to the generation. */
export interface ChunkRecord {
  readonly stage: string;
  readonly chunk: Chunk;
  /** The newest generation that lists it. */
  readonly generation: number;
  /** Its verdict of that generation. */
  readonly verdict: Verdict | null;
}

/** What is known of a generation before its chunks are looked at. */
export interface GenerationRecords {
  /** In running order. */
  readonly stages: readonly Pick<Stage, 'name' | 'kind' | 'from'>[];
  readonly generation: number;
  readonly files: readonly InputFile[];
  readonly ended: readonly EndedFile[];
  /** Files without a plan in this generation. */
  readonly unplannable: readonly Unplannable[];
  readonly inferred: readonly string[];
  /** What people have accepted as missing. */
  readonly waivers: Waivers;
}

export interface GenerationSummary {
  /** Chunks without outcome, the first of them; not empty means that the generation goes on. */
  readonly missing: readonly { readonly stage: string; readonly chunk: number }[];
  /** Codes, columns and stored bytes: `bytesIn` is what map stages read of the inputs, `bytesOut` what lies in parts. */
  readonly sums: Pick<ReceiptSums, 'byCode' | 'byColumn' | 'bytesIn' | 'bytesOut'>;
  readonly stages: readonly ManifestStage[];
  /** A file whose chunks overlap or leave a hole: `PLAN_CONFLICT`. */
  readonly planConflict: string | null;
  /** What is wrong with receipts and sums, the first of it; not empty means `BALANCE_MISMATCH`. */
  readonly imbalances: readonly string[];
  readonly balance: Balance;
  readonly counts: { readonly total: number; readonly committed: number; readonly dead: number; readonly open: number };
  readonly files: readonly ManifestFile[];
  /** Of files without a plan; those of chunks came with the chunks. */
  readonly gaps: readonly Gap[];
  readonly budget: BudgetSums;
}

/** What a chunk adds to the lists of the manifest. */
export interface Placed {
  readonly parts: readonly ManifestPart[];
  readonly rejects: readonly ManifestPart[];
  readonly gaps: readonly Gap[];
}

/** Problems that are told; more say nothing more. */
const mostProblems = 100;
/** A generation in which more is missing is looked at again when these have their outcomes. */
const mostMissing = 10_000;

interface StageSums {
  balance: Balance;
  total: number;
  committed: number;
  dead: number;
  unreadBytes: number;
  /** Rows that its partitions were given. */
  givenRows: number;
}

export class GenerationSums {
  readonly #of: GenerationRecords;
  readonly #stages = new Map<string, StageSums>();
  /** Of all stages: codes, columns, bytes of parts. */
  readonly #all = new RunningSums();
  /** Of map stages; a pass over keys reads the same bytes as the stage behind it, where it is counted what became of its records. */
  readonly #maps = new RunningSums();
  readonly #missing: { stage: string; chunk: number }[] = [];
  readonly #problems: string[] = [];
  readonly #runs = new FileRuns();
  readonly #fileReaders: ReadonlySet<string>;
  readonly #keys: KeyPlaces;
  /** Bytes of files without a plan that no chunk of them holds. */
  readonly #unplanned: Map<number, number>;
  #committed = 0;
  #dead = 0;
  #gaps = 0;
  #plannedBytes = 0;
  /** Bytes in dead chunks, without those that were read elsewhere. */
  #unreadBytes = 0;
  /** Of files that groups were committed without. */
  #lostBytes = 0;
  /** What counts against a budget: somebody may have answered for the rest. */
  #counted = { chunks: 0, bytes: 0 };

  constructor(of: GenerationRecords) {
    this.#of = of;
    this.#fileReaders = new Set(fileStages(of.stages).map(({ name }) => name));
    this.#keys = new KeyPlaces(of.stages);
    const sizes = new Map(of.files.map((file) => [file.file, file.size]));
    this.#unplanned = new Map(of.unplannable.map(({ file }) => [file, sizes.get(file) ?? 0]));
  }

  /** In any order, each chunk once. */
  add({ stage, chunk, verdict }: ChunkRecord): Placed {
    this.#plan(stage, chunk);
    this.#keys.add(stage, chunk, verdict?.outcome === 'committed');
    if (verdict?.outcome === 'committed') return this.#commit({ stage, chunk, receipt: verdict });
    if (verdict?.outcome === 'dead') return { parts: [], rejects: [], gaps: [this.#bury(stage, chunk, verdict)] };
    if (this.#missing.length < mostMissing) this.#missing.push({ stage, chunk: chunk.chunk });
    return { parts: [], rejects: [], gaps: [] };
  }

  summary(): GenerationSummary {
    const { waivers, generation, unplannable } = this.#of;
    const stages = this.#of.stages.map(({ name, kind }) => stageOf(name, kind, this.#sumsOf(name)));
    const [all, maps] = [this.#all.total(), this.#maps.total()];
    const waiverOfFile = ({ file }: Unplannable): Command | null => waivers.of('plan', file, generation);
    const bytesOfFiles = (some: readonly Unplannable[]): number => some.reduce((bytes, { file }) => bytes + (this.#unplanned.get(file) ?? 0), 0);
    const countedFiles = unplannable.filter((file) => waiverOfFile(file) === null);
    const balance = { ...balanceOfStages(stages), unreadBytes: this.#unreadBytes + this.#lostBytes + bytesOfFiles(unplannable) };
    const files = manifestFiles(this.#of, maps);
    const total = [...this.#stages.values()].reduce((sum, stage) => sum + stage.total, 0);
    return {
      missing: this.#missing,
      sums: { byCode: all.byCode, byColumn: all.byColumn, bytesIn: maps.bytesIn, bytesOut: all.bytesOut },
      stages,
      planConflict: this.#runs.conflict(this.#of.ended),
      imbalances: [...this.#problems, ...listed(checkSums(maps)), ...this.#stageImbalances(stages), ...listed(this.#keys.lacking())],
      balance,
      counts: { total, committed: this.#committed, dead: this.#gaps + unplannable.length, open: total - this.#committed - this.#dead },
      files,
      gaps: unplannable.map((file) => acceptedGap(fileGap(file), waiverOfFile(file))),
      budget: {
        recordsIn: balance.recordsIn,
        // All of them: behind a stage that makes other rows of its rows the job's balance cannot hold them, but they are lost all the same.
        rejected: stages.reduce((sum, stage) => sum + stage.balance.rejected, 0),
        byCode: all.byCode,
        byColumn: all.byColumn,
        files: files.map((file) => ({ uri: file.uri, recordsIn: file.balance.recordsIn, rejected: file.balance.rejected })),
        inferred: this.#of.inferred,
        deadChunks: this.#counted.chunks + countedFiles.length,
        deadBytes: this.#counted.bytes + bytesOfFiles(countedFiles),
        plannedBytes: this.#plannedBytes + bytesOfFiles(unplannable),
      },
    };
  }

  #sumsOf(stage: string): StageSums {
    const known = this.#stages.get(stage);
    const sums = known ?? { balance: zeroBalance, total: 0, committed: 0, dead: 0, unreadBytes: 0, givenRows: 0 };
    if (known === undefined) this.#stages.set(stage, sums);
    return sums;
  }

  #plan(stage: string, chunk: Chunk): void {
    const sums = this.#sumsOf(stage);
    sums.total += 1;
    if (chunk.kind === 'partition') sums.givenRows += chunk.rows;
    this.#plannedBytes += chunkBytes(chunk);
    for (const share of fileShares(chunk)) {
      if (this.#fileReaders.has(stage)) this.#runs.add(share);
      // Of a file that is cut off its planned chunks count by themselves.
      const left = this.#unplanned.get(share.file);
      if (left !== undefined) this.#unplanned.set(share.file, Math.max(0, left - chunkBytes(share)));
    }
  }

  #commit(committed: Committed): Placed {
    const { stage, chunk, receipt } = committed;
    const stageSums = this.#sumsOf(stage);
    const sums = sumsOfChunk(chunk, receipt);
    this.#committed += 1;
    stageSums.committed += 1;
    stageSums.balance = addBalances(stageSums.balance, sums.balance);
    this.#all.add({ ...sums, files: {} });
    if (chunk.kind !== 'partition' && !isKeyStage(stage)) this.#maps.add({ ...sums, files: filesAndPayloads(sums.files) });
    const problem = problemOf(committed);
    if (problem !== null && this.#problems.length < mostProblems) this.#problems.push(problem);
    const unread = unreadFiles(committed);
    for (const { share } of unread) this.#lose(stageSums, share);
    return {
      parts: placedParts(committed, receipt.parts),
      rejects: placedParts(committed, receipt.rejects),
      gaps: unread.map(unreadGap),
    };
  }

  #lose(stage: StageSums, share: FileChunk): void {
    const bytes = chunkBytes(share);
    this.#gaps += 1;
    this.#counted.chunks += 1;
    this.#counted.bytes += bytes;
    this.#lostBytes += bytes;
    stage.unreadBytes += bytes;
  }

  #bury(stage: string, chunk: Chunk, verdict: DeadVerdict): Gap {
    const sums = this.#sumsOf(stage);
    const waiver = this.#of.waivers.of(stage, chunk.chunk, verdict.generation);
    this.#dead += 1;
    this.#gaps += 1;
    sums.dead += 1;
    // Rows of a partition were read by the stage before, and replayed records by the chunk that rejected them.
    if (chunk.kind !== 'partition' && !isReplay(chunk)) {
      this.#unreadBytes += chunkBytes(chunk);
      sums.unreadBytes += chunkBytes(chunk);
    }
    if (waiver === null) {
      this.#counted.chunks += 1;
      this.#counted.bytes += chunkBytes(chunk);
    }
    return acceptedGap(chunkGap(stage, chunk, verdict), waiver);
  }

  /** What one stage hands on the next one must have been given, whether its chunks committed or died. */
  #stageImbalances(sums: readonly ManifestStage[]): string[] {
    const byName = new Map(sums.map((stage) => [stage.name, stage.balance]));
    return this.#of.stages.flatMap(({ name, kind, from }) => {
      const own = byName.get(name);
      const problem = own === undefined ? null : checkBalance(own);
      const { total, givenRows } = this.#sumsOf(name);
      const found = problem === null ? [] : [`stage ${name}: ${problem}`];
      if (kind === 'map' || total === 0) return found;
      const handedOn = from.reduce((rows, stage) => rows + (byName.get(stage)?.rowsOut ?? 0), 0);
      return givenRows === handedOn ? found : [...found, `stage ${name}: ${from.join(' and ')} handed on ${handedOn} rows, its partitions hold ${givenRows}`];
    });
  }
}

const listed = (problem: string | null): string[] => (problem === null ? [] : [problem]);

function stageOf(name: string, kind: 'map' | 'reduce', { balance, total, committed, dead, unreadBytes }: StageSums): ManifestStage {
  return { name, kind, chunks: { total, committed, dead }, balance: { ...balance, unreadBytes: kind === 'map' ? unreadBytes : 0 } };
}

/** A job may have a payload for each chunk: they are checked one by one with their receipts, and are one sum here. */
function filesAndPayloads(files: ReceiptSums['files']): ReceiptSums['files'] {
  const own: Record<string, Fates> = {};
  for (const [key, fates] of Object.entries(files)) {
    const name = /^\d+$/.test(key) ? key : '-';
    const held = own[name];
    own[name] = held === undefined ? fates : addFates(held, fates);
  }
  return own;
}

/**
 * What the stage `unique` has read the stages behind it must read, chunk for chunk; what died there is a gap of it alone. Only where keys are unique is
 * something kept here, the places that one of the two has read so far.
 */
class KeyPlaces {
  readonly #behind: ReadonlySet<string>;
  /** Place → how many of the stage `unique` less those behind it. */
  readonly #places = new Map<string, number>();

  constructor(stages: GenerationRecords['stages']) {
    this.#behind = new Set(laterStages(stages).flatMap(({ name, kind }) => (kind === 'map' ? [name] : [])));
  }

  add(stage: string, chunk: Chunk, isCommitted: boolean): void {
    const by = stage === keyStages.unique && isCommitted ? 1 : this.#behind.has(stage) ? -1 : 0;
    if (by === 0) return;
    const place = placeOf(chunk);
    const count = (this.#places.get(place) ?? 0) + by;
    if (count === 0) this.#places.delete(place);
    else this.#places.set(place, count);
  }

  lacking(): string | null {
    const [place] = this.#places.keys();
    return place === undefined ? null : `${place}: read by only one of stage ${keyStages.unique} and the stages behind it`;
  }
}

/** Where a chunk begins, whatever its number. */
function placeOf(chunk: Chunk): string {
  const [first] = fileShares(chunk);
  if (first !== undefined) return `file ${first.file} from ${first.start}`;
  return chunk.kind === 'inline' ? `${chunk.key} from ${chunk.offset}` : `chunk ${chunk.chunk}`;
}

interface Committed {
  readonly stage: string;
  readonly chunk: Chunk;
  readonly receipt: Receipt;
}

/** A receipt must agree with itself and with its plan. */
function problemOf({ chunk, receipt }: Committed): string | null {
  const expected = recordsToRead({ chunk, receipt });
  const planned = expected !== null && expected !== receipt.counts.recordsIn ? `${expected} records planned, ${receipt.counts.recordsIn} read` : null;
  const problem = checkReceipt(receipt) ?? planned;
  return problem === null ? null : `chunk ${chunk.chunk}: ${problem}`;
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

const placedParts = ({ stage, chunk }: Committed, parts: readonly Omit<ManifestPart, 'chunk'>[]): ManifestPart[] =>
  parts.map((part) => ({ ...part, chunk: `${stage}.${chunk.chunk}` }));

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

function manifestFiles(records: GenerationRecords, sums: ReceiptSums): ManifestFile[] {
  const ended = new Map(records.ended.map((file) => [file.file, file]));
  return records.files.map(({ file, uri, etag, size }) => {
    const fates = sums.files[String(file)] ?? zeroBalance;
    const { recordsIn, emitted, filtered, deduplicated, rejected } = fates;
    const { lines, blankLines, commentLines } = ended.get(file) ?? { lines: 0, blankLines: 0, commentLines: 0 };
    return { file, uri, etag, size, balance: { ...zeroBalance, recordsIn, emitted, filtered, deduplicated, rejected }, lines, blankLines, commentLines };
  });
}
