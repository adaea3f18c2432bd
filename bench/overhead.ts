/**
 * `npm run bench -- overhead`: what queue, journal and Node add to the bare core. The bench file goes from CSV to Parquet in chunks of 64 MiB, as jobs
 * through the queue with one host of one slot, and by the core alone, which finds the chunks and converts one after the other. Each does the file
 * once and then four times over, so that two figures come out: what a further chunk takes, and what a job takes however small it is. Both write to
 * memory, where no sync takes time; the same on the disk tells what syncs cost. Rounds alternate, the first is not counted.
 */
import { existsSync, linkSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bareCore, buildExample } from './bare-core.ts';
import { writeCoreFile } from './core-file.ts';
import { home, keep, median } from './keep.ts';
import { startServices } from './through-queue.ts';

const ROUNDS = 5;
const ROWS = 4_000_000;
/** Files of the longer job. */
const COPIES = 4;
const CHUNK_BYTES = 64 << 20;
/** A file system in memory, which Linux has there. */
const MEMORY = '/dev/shm';
const file = join(home, `core-${ROWS}.csv`);
const copies = join(home, 'overhead');

/** Seconds of the two jobs. */
interface Pair {
  one: number;
  four: number;
}

interface Cost {
  /** Of each further chunk. */
  chunkSeconds: number;
  /** Of a job, besides its chunks. */
  jobSeconds: number;
}

interface Compared {
  queue: Pair[];
  core: Pair[];
  queueCost: Cost;
  coreCost: Cost;
  /** Of a chunk of the bare core: what a long job pays. */
  chunkOverhead: number;
  /** What a job takes more than the bare core however short it is, seconds. */
  jobOverheadSeconds: number;
  /** Of the bare core, for the file once. */
  oneFileOverhead: number;
}

async function queueOnce(place: string): Promise<Pair> {
  const services = await startServices(1, place);
  try {
    // Fresh services compile their code and a fresh core touches its memory first: a job of this size counts, for the bare core is fresh too.
    const { seconds: one } = await services.convert(pathToFileURL(file).href, ROWS);
    const { seconds: four } = await services.convert(`${pathToFileURL(copies).href}/*.csv`, COPIES * ROWS);
    return { one, four };
  } finally {
    await services.stop();
  }
}

function coreOnce(binary: string, place: string): Pair {
  const [one = Number.NaN, ...more] = bareCore(binary, file, 'convert', place, 1 + COPIES).roundSeconds;
  return { one, four: more.reduce((sum, seconds) => sum + seconds, 0) };
}

function costOf(pairs: readonly Pair[]): Cost {
  const chunks = Math.ceil(statSync(file).size / CHUNK_BYTES);
  const [one, four] = [median(pairs.map((pair) => pair.one)), median(pairs.map((pair) => pair.four))];
  const chunkSeconds = (four - one) / ((COPIES - 1) * chunks);
  return { chunkSeconds, jobSeconds: one - chunks * chunkSeconds };
}

async function compare(place: string, binary: string): Promise<Compared> {
  const queue: Pair[] = [];
  const core: Pair[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const [fromQueue, fromCore] = [await queueOnce(place), coreOnce(binary, place)];
    if (round === 0) continue;
    queue.push(fromQueue);
    core.push(fromCore);
    const told = ({ one, four }: Pair) => `${one.toFixed(3)} s and ${four.toFixed(3)} s`;
    console.log(`${place}, round ${round}: through the queue ${told(fromQueue)}, core alone ${told(fromCore)}`);
  }
  const [queueCost, coreCost] = [costOf(queue), costOf(core)];
  return {
    queue,
    core,
    queueCost,
    coreCost,
    chunkOverhead: queueCost.chunkSeconds / coreCost.chunkSeconds - 1,
    jobOverheadSeconds: queueCost.jobSeconds - coreCost.jobSeconds,
    oneFileOverhead: median(queue.map(({ one }) => one)) / median(core.map(({ one }) => one)) - 1,
  };
}

mkdirSync(home, { recursive: true });
writeCoreFile(file, ROWS);
rmSync(copies, { recursive: true, force: true });
mkdirSync(copies);
for (let copy = 0; copy < COPIES; copy += 1) linkSync(file, join(copies, `${copy}.csv`));
const binary = await buildExample('millrace-engine', 'bare_core');
const inMemory = existsSync(MEMORY) ? await compare(MEMORY, binary) : null;
const onDisk = await compare(tmpdir(), binary);
const syncSeconds = inMemory === null ? null : onDisk.queueCost.chunkSeconds - inMemory.queueCost.chunkSeconds;
keep('overhead', {
  file: { rows: ROWS, bytes: statSync(file).size },
  chunkBytes: CHUNK_BYTES,
  loadAverage: loadavg()[0],
  inMemory,
  onDisk,
  syncSecondsOfAChunk: syncSeconds,
});
rmSync(copies, { recursive: true, force: true });
for (const [place, compared] of Object.entries({ inMemory, onDisk })) {
  if (compared === null) continue;
  const { chunkOverhead, jobOverheadSeconds, oneFileOverhead } = compared;
  console.log(
    `${place}: queue, journal and Node add ${(chunkOverhead * 100).toFixed(1)} % to a further chunk and ${jobOverheadSeconds.toFixed(3)} s to a job; ${(oneFileOverhead * 100).toFixed(1)} % to this file once`,
  );
}
if (syncSeconds !== null) console.log(`syncs of the disk: ${syncSeconds.toFixed(4)} s of a chunk`);
