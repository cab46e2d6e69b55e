// Sorting millions of rows by a time. Records come as a few sequences that are each in order (operators, then functions, then kernels):
// those are merged. What has no such order goes through a radix sort, 16 bits at a time.

const DIGIT = 65_536;
const WORD = 0x1_0000_0000;
/** Fewer rows are sorted by comparing. */
const FEW = 4096;
/** More sequences than this are no order. */
const MOST_RUNS = 64;

/**
 * Puts `rows` (indices into `keys`) in ascending order of their keys, in place; rows with equal keys keep their order. Keys are finite.
 */
export function sortRows(rows: Int32Array<ArrayBuffer>, keys: Float64Array): void {
  const { length } = rows;
  let least = Infinity;
  let greatest = -Infinity;
  let before = -Infinity;
  const runs = [0];
  for (let i = 0; i < length; i++) {
    const key = keys[rows[i]];
    if (key < least) least = key;
    if (key > greatest) greatest = key;
    if (key < before && runs.length <= MOST_RUNS) runs.push(i);
    before = key;
  }
  if (runs.length === 1) return;
  if (runs.length <= MOST_RUNS) mergeRuns(rows, keys, runs);
  else if (length < FEW) rows.sort((a, b) => keys[a] - keys[b]);
  else sortByDigits(rows, keys, least, greatest);
}

/** Of rows in order of their keys those with equal keys are put in order by `compare`: what order they came in does not count then. */
export function sortEqual(rows: Int32Array<ArrayBuffer>, keys: Float64Array, compare: (a: number, b: number) => number): void {
  for (let i = 0; i < rows.length;) {
    let end = i + 1;
    while (end < rows.length && keys[rows[end]] === keys[rows[i]]) end++;
    if (end - i > 1) rows.subarray(i, end).sort(compare);
    i = end;
  }
}

/** Neighbouring sequences, two by two, until there is one. */
function mergeRuns(rows: Int32Array<ArrayBuffer>, keys: Float64Array, starts: readonly number[]): void {
  const { length } = rows;
  let from = rows;
  let fromKeys = new Float64Array(length);
  for (let i = 0; i < length; i++) fromKeys[i] = keys[rows[i]];
  let to = new Int32Array(length);
  let toKeys = new Float64Array(length);
  for (let runs = [...starts, length]; runs.length > 2;) {
    const next = [0];
    for (let run = 0; run < runs.length - 1; run += 2) {
      const middle = runs[run + 1];
      const end = runs[run + 2] ?? middle;
      let a = runs[run];
      let b = middle;
      for (let at = a; at < end; at++) {
        const second = a >= middle || (b < end && fromKeys[b] < fromKeys[a]);
        const source = second ? b++ : a++;
        to[at] = from[source];
        toKeys[at] = fromKeys[source];
      }
      next.push(end);
    }
    runs = next;
    [from, to] = [to, from];
    [fromKeys, toKeys] = [toKeys, fromKeys];
  }
  if (from !== rows) rows.set(from);
}

function sortByDigits(rows: Int32Array<ArrayBuffer>, keys: Float64Array, least: number, greatest: number): void {
  const { length } = rows;
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
