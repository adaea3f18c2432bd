/**
 * `npm run bench -- overhead`: what queue, journal and Node add to the bare core. The bench file goes from CSV to Parquet in chunks of 64 MiB, once as a job
 * through the queue with one host of one slot, once by the core alone, which finds the chunks and converts one after the other. Both write to memory,
 * where no sync takes time; the same on the disk tells what syncs cost. Rounds alternate, the first is not counted.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bareCore, buildExample } from './bare-core.ts';
import { writeCoreFile } from './core-file.ts';
import { home, keep, median } from './keep.ts';
import { throughQueue } from './through-queue.ts';

const ROUNDS = 5;
const ROWS = 4_000_000;
/** A file system in memory, which Linux has there. */
const MEMORY = '/dev/shm';
const file = join(home, `core-${ROWS}.csv`);

interface Compared {
  queueSeconds: number[];
  coreSeconds: number[];
  /** Of the median of the bare core. */
  overhead: number;
}

async function compare(place: string, binary: string): Promise<Compared> {
  const queueSeconds: number[] = [];
  const coreSeconds: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const queue = (await throughQueue(file, ROWS, 1, place)).seconds;
    const bare = bareCore(binary, file, 'convert', place);
    const core = bare.planSeconds + bare.seconds;
    if (round === 0) continue;
    queueSeconds.push(queue);
    coreSeconds.push(core);
    console.log(`${place}, round ${round}: through the queue ${queue.toFixed(3)} s, core alone ${core.toFixed(3)} s`);
  }
  return { queueSeconds, coreSeconds, overhead: median(queueSeconds) / median(coreSeconds) - 1 };
}

mkdirSync(home, { recursive: true });
writeCoreFile(file, ROWS);
const binary = await buildExample('millrace-engine', 'bare_core');
const inMemory = existsSync(MEMORY) ? await compare(MEMORY, binary) : null;
const onDisk = await compare(tmpdir(), binary);
const syncSeconds = inMemory === null ? null : median(onDisk.queueSeconds) - median(inMemory.queueSeconds);
keep('overhead', { file: { rows: ROWS, bytes: statSync(file).size }, chunkBytes: 64 << 20, inMemory, onDisk, syncSeconds });
for (const [place, { overhead }] of Object.entries({ inMemory, onDisk }).filter((pair): pair is [string, Compared] => pair[1] !== null)) {
  console.log(`${place}: queue, journal and Node add ${(overhead * 100).toFixed(1)} %`);
}
if (syncSeconds !== null) console.log(`syncs of the disk: ${syncSeconds.toFixed(3)} s of the job`);
