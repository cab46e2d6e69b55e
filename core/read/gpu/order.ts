// Sorting millions of rows by a time without a comparison for each pair: a radix sort, 16 bits at a time.

const DIGIT = 65_536;
const WORD = 0x1_0000_0000;
/** Fewer rows are sorted by comparing. */
const FEW = 4096;

/**
 * Puts `rows` (indices into `keys`) in ascending order of their keys, in place; rows with equal keys keep their order. Keys are finite.
 */
export function sortRows(rows: Int32Array<ArrayBuffer>, keys: Float64Array): void {
  const { length } = rows;
  let least = Infinity;
  let greatest = -Infinity;
  let sorted = true;
  let before = -Infinity;
  for (let i = 0; i < length; i++) {
    const key = keys[rows[i]];
    if (key < least) least = key;
    if (key > greatest) greatest = key;
    if (key < before) sorted = false;
    before = key;
  }
  if (sorted) return;
  if (length < FEW) {
    rows.sort((a, b) => keys[a] - keys[b]);
    return;
  }
  // Keys are whole nanoseconds: what is less than one is no order that matters. Two halves of 32 bits each, so that digits are bits.
  const low = new Uint32Array(length);
  const high = new Uint32Array(length);
  const span = greatest - least;
  for (let i = 0; i < length; i++) {
    const key = Math.floor(keys[rows[i]] - least);
    const above = Math.floor(key / WORD);
    high[i] = above;
    low[i] = key - above * WORD;
  }
  const counts = new Int32Array(DIGIT);
  let from = new Int32Array(length);
  for (let i = 0; i < length; i++) from[i] = i;
  let to = new Int32Array(length);
  for (let pass = 0; span >= DIGIT ** pass; pass++) {
    const half = pass < 2 ? low : high;
    const shift = (pass & 1) * 16;
    counts.fill(0);
    for (let i = 0; i < length; i++) counts[(half[i] >>> shift) & 0xffff]++;
    let sum = 0;
    for (let digit = 0; digit < DIGIT; digit++) {
      const count = counts[digit];
      counts[digit] = sum;
      sum += count;
    }
    for (let i = 0; i < length; i++) {
      const at = from[i];
      to[counts[(half[at] >>> shift) & 0xffff]++] = at;
    }
    [from, to] = [to, from];
  }
  for (let i = 0; i < length; i++) to[i] = rows[from[i]];
  rows.set(to);
}

/** The numbers 0 .. length - 1, grouped by `group` (0 .. groups - 1); `starts` has groups + 1 entries. */
export function grouped(group: Int32Array, length: number, groups: number): { rows: Int32Array<ArrayBuffer>; starts: Int32Array } {
  const starts = new Int32Array(groups + 1);
  for (let i = 0; i < length; i++) starts[group[i] + 1]++;
  for (let i = 0; i < groups; i++) starts[i + 1] += starts[i];
  const next = starts.slice();
  const rows = new Int32Array(length);
  for (let i = 0; i < length; i++) rows[next[group[i]]++] = i;
  return { rows, starts };
}
