// perf maps: tools/perf/Documentation/jit-interface.txt in the Linux source. One line a function: START SIZE NAME, in hex.

/** More lines than any JIT writes in a day; the rest is left out. */
const ENTRY_LIMIT = 2_000_000;
const NAME_LIMIT = 1000;
/** Newer code may lie within older, longer code. */
const LOOK_BACK = 8;

interface Entries {
  readonly starts: Float64Array;
  readonly sizes: Float64Array;
  readonly names: readonly string[];
}

const NONE: Entries = { starts: new Float64Array(0), sizes: new Float64Array(0), names: [] };

/** Functions that a JIT wrote down, found by address. Where two overlap, the later line wins. */
export class PerfMap {
  #old: Entries = NONE;
  #young: Entries = NONE;
  #rest = '';

  get count(): number {
    return this.#old.names.length + this.#young.names.length;
  }

  /** A copy for a forked child, which starts with its parent's code. Entries are shared, they never change in place. */
  copy(): PerfMap {
    const copy = new PerfMap();
    copy.#old = this.#old;
    copy.#young = this.#young;
    return copy;
  }

  /** More text of the file, cut anywhere. Lines that are no entries are passed over. */
  add(text: string): void {
    if (text === '') return;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > 65_536) this.#rest = '';
    const starts: number[] = [];
    const sizes: number[] = [];
    const names: string[] = [];
    for (const line of lines) {
      const match = /^(?:0x)?([0-9a-f]+) (?:0x)?([0-9a-f]+) (.+)$/i.exec(line);
      if (match === null || this.count + names.length >= ENTRY_LIMIT) continue;
      const start = parseInt(match[1], 16);
      const size = parseInt(match[2], 16);
      if (start > Number.MAX_SAFE_INTEGER || size > Number.MAX_SAFE_INTEGER) continue;
      starts.push(start);
      sizes.push(size);
      names.push(match[3].length > NAME_LIMIT ? `${match[3].slice(0, NAME_LIMIT)}…` : match[3]);
    }
    if (names.length === 0) return;
    this.#young = join(this.#young, { starts: Float64Array.from(starts), sizes: Float64Array.from(sizes), names });
    // The large part is sorted again only when the small part has grown, so a map that gains a line a second stays cheap.
    if (this.#young.names.length > 1000 && this.#young.names.length * 4 > this.#old.names.length) {
      this.#old = join(this.#old, this.#young);
      this.#young = NONE;
    }
  }

  /** Name as written, or ''. */
  find(address: number): string {
    return findIn(this.#young, address) || findIn(this.#old, address);
  }
}

function join(a: Entries, b: Entries): Entries {
  const starts = new Float64Array(a.starts.length + b.starts.length);
  starts.set(a.starts);
  starts.set(b.starts, a.starts.length);
  const order = new Uint32Array(starts.length);
  for (let i = 0; i < order.length; i++) order[i] = i;
  order.sort((x, y) => starts[x] - starts[y] || x - y);
  const sizes = new Float64Array(starts.length);
  const names: string[] = [];
  for (let i = 0; i < order.length; i++) {
    const from = order[i];
    sizes[i] = from < a.sizes.length ? a.sizes[from] : b.sizes[from - a.sizes.length];
    names.push(from < a.names.length ? a.names[from] : b.names[from - a.names.length]);
  }
  return { starts: starts.sort(), sizes, names };
}

function findIn(entries: Entries, address: number): string {
  const { starts, sizes, names } = entries;
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle] <= address) low = middle + 1;
    else high = middle;
  }
  for (let i = low - 1; i >= 0 && i >= low - LOOK_BACK; i--) {
    if (address < starts[i] + sizes[i]) return names[i];
  }
  return '';
}
