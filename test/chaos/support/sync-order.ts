/**
 * What would be left after a loss of power, told from the system calls of a core: a name counts as safe when its file was synced after the last write to it
 * and its directory after the name was made. Reads what `strace -f -y` wrote; a call that is begun in one line and ends in another counts from its end,
 * but for a sync, which covers only what was written before it began.
 */
export const tracedCalls = 'write,pwrite64,writev,linkat,renameat,renameat2,unlinkat,mkdirat,fsync,fdatasync';

export interface OrderFound {
  readonly breaches: readonly string[];
  readonly files: number;
  readonly receipts: number;
}

interface Call {
  readonly name: string;
  readonly text: string;
  readonly phase: 'begin' | 'end' | 'whole';
}

const ofFile = /^\d+<([^>]+)>/;
const naming = /^\d+<([^>]+)>, "([^"]+)", \d+<([^>]+)>, "([^"]+)"/;
const making = /^\d+<([^>]+)>, "([^"]+)"/;

/** `place`: the directory whose files matter. */
export function judgeOrder(trace: string, place: string): OrderFound {
  const watch = new OrderWatch(place);
  const begun = new Map<string, Call>();
  for (const line of trace.split('\n')) {
    const match = /^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$/.exec(line);
    if (match === null) continue;
    const [, thread = '', resumed, started, rest = ''] = match;
    if (started !== undefined) {
      const isWhole = !rest.endsWith('<unfinished ...>');
      const call: Call = { name: started, text: rest, phase: isWhole ? 'whole' : 'begin' };
      if (!isWhole) begun.set(thread, call);
      if (!isWhole || hasWorked(rest)) watch.see(call, thread);
      continue;
    }
    const first = begun.get(thread);
    begun.delete(thread);
    if (first !== undefined && first.name === resumed && hasWorked(rest)) watch.see({ ...first, phase: 'end' }, thread);
  }
  // Of one that was killed nobody can say what it would still have synced.
  if (/\+\+\+ exited with \d+ \+\+\+\s*$/.test(trace)) watch.close();
  return watch;
}

const hasWorked = (text: string): boolean => / = \d+\S*(?: \(.*\))?$/.test(text);

class OrderWatch implements OrderFound {
  readonly breaches: string[] = [];
  files = 0;
  receipts = 0;
  readonly #place: string;
  /** Path of a file → how many writes it has seen, and how many of them are synced. */
  readonly #written = new Map<string, { writes: number; synced: number }>();
  /** Names that were made in a directory since it was synced, by directory. */
  readonly #unsafe = new Map<string, Set<string>>();
  /** What a sync that is under way will cover, by thread. */
  readonly #covers = new Map<string, { readonly writes: number; readonly names: readonly string[] }>();

  constructor(place: string) {
    this.#place = place;
  }

  see({ name, text, phase }: Call, thread: string): void {
    if (name === 'linkat' || name.startsWith('renameat')) return void (phase === 'begin' ? 0 : this.#named(text));
    if (name === 'mkdirat') return void (phase === 'begin' ? 0 : this.#made(text));
    if (name === 'unlinkat') return void (phase === 'begin' ? 0 : this.#dropped(text));
    const path = ofFile.exec(text)?.[1]?.replace(/ \(deleted\)$/, '');
    if (path === undefined || !this.#isOurs(path)) return;
    if (name !== 'fsync' && name !== 'fdatasync') {
      if (phase !== 'begin') this.#fileOf(path).writes += 1;
      return;
    }
    if (phase !== 'end') this.#covers.set(thread, { writes: this.#written.get(path)?.writes ?? 0, names: [...(this.#unsafe.get(path) ?? [])] });
    if (phase === 'begin') return;
    const { writes, names } = this.#covers.get(thread) ?? { writes: 0, names: [] };
    const file = this.#written.get(path);
    if (file !== undefined) file.synced = Math.max(file.synced, writes);
    for (const one of names) this.#unsafe.get(path)?.delete(one);
  }

  /** A file gets its name: what it holds must be synced; and of a receipt, everything that was made before it. */
  #named(text: string): void {
    const [, from = '', old = '', to = '', name = ''] = naming.exec(text) ?? [];
    const path = `${to}/${name}`;
    if (!this.#isOurs(path)) return;
    const file = this.#written.get(`${from}/${old}`);
    if (file !== undefined && file.synced < file.writes) this.breaches.push(`${path} was named before its bytes were synced`);
    if (file !== undefined) this.files += 1;
    if (/\/verdicts\//.test(path)) this.#receipt(path);
    const [names, other] = [this.#namesOf(to), this.#written.get(`${from}/${old}`)];
    names.add(name);
    if (other !== undefined) this.#written.set(path, other);
  }

  /** Parts are rows that a receipt names: they, and the directories that lead to them, come first. */
  #receipt(path: string): void {
    this.receipts += 1;
    for (const [directory, names] of this.#unsafe) {
      if (directory.includes('/_journal') || names.size === 0) continue;
      this.breaches.push(`${path} was named before ${directory} was synced, with ${[...names].join(', ')}`);
    }
  }

  #made(text: string): void {
    const [, directory = '', name = ''] = making.exec(text) ?? [];
    if (this.#isOurs(`${directory}/${name}`)) this.#namesOf(directory).add(name);
  }

  /** A name that is gone need not be safe. */
  #dropped(text: string): void {
    const [, directory = '', name = ''] = making.exec(text) ?? [];
    this.#unsafe.get(directory)?.delete(name);
  }

  /** Of a process that ended by itself: nothing may be left that only memory knew. */
  close(): void {
    for (const [directory, names] of this.#unsafe) if (names.size > 0) this.breaches.push(`${directory} was never synced behind ${[...names].join(', ')}`);
  }

  #isOurs(path: string): boolean {
    return path === this.#place || path.startsWith(`${this.#place}/`);
  }

  #fileOf(path: string): { writes: number; synced: number } {
    const known = this.#written.get(path) ?? { writes: 0, synced: 0 };
    this.#written.set(path, known);
    return known;
  }

  #namesOf(directory: string): Set<string> {
    const known = this.#unsafe.get(directory) ?? new Set();
    this.#unsafe.set(directory, known);
    return known;
  }
}
