/** How many cores a host may run: as many as its memory holds and its processors feed. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

const MiB = 1024 * 1024;
/** For Node itself and the core that only stores: what is not for slots. */
const reservedBytes = 512 * MiB;

export interface HostMemory {
  /** What the host may use: the limit of its control group, else all there is. */
  readonly bytes: number;
  readonly processors: number;
}

/** Pure. At least one: a host that is too small for its core is refused by the core. */
export function slotsFor(written: number | 'auto', coreBytes: number, memory: HostMemory): number {
  if (written !== 'auto') return written;
  return Math.max(1, Math.min(memory.processors, Math.floor((memory.bytes - reservedBytes) / coreBytes)));
}

/** Null, or why so many slots may end in the kernel killing the host. */
export function memoryProblem(slots: number, coreBytes: number, memory: HostMemory): string | null {
  const wanted = slots * coreBytes + reservedBytes;
  if (wanted <= memory.bytes) return null;
  return `${slots} slots of ${coreBytes} bytes need ${wanted} bytes, this host may use ${memory.bytes}`;
}

/** Version 2 and version 1 of control groups; a limit beyond the machine's memory is none. */
const limitFiles = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'];

export function hostMemory(read: (path: string) => string = (path) => readFileSync(path, 'utf8')): HostMemory {
  const limits = limitFiles.flatMap((path) => {
    try {
      const bytes = Number(read(path).trim());
      return Number.isFinite(bytes) && bytes > 0 ? [bytes] : [];
    } catch {
      return [];
    }
  });
  return { bytes: Math.min(totalmem(), ...limits), processors: availableParallelism() };
}
