/** A column that grows by doubling. Views that `view()` hands out are valid until the next push. */
export class Int32Column {
  #data: Int32Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 64) {
    this.#data = new Int32Array(capacity);
  }

  push(value: number): number {
    if (this.length === this.#data.length) this.#grow(this.length + 1);
    this.#data[this.length] = value;
    return this.length++;
  }

  /** Appends a whole array; used when a delta is applied. */
  append(values: Int32Array): void {
    this.#grow(this.length + values.length);
    this.#data.set(values, this.length);
    this.length += values.length;
  }

  get(row: number): number {
    return this.#data[row];
  }

  set(row: number, value: number): void {
    this.#data[row] = value;
  }

  /** Rows `from` to the end (or `to`), without a copy. */
  view(from = 0, to = this.length): Int32Array<ArrayBuffer> {
    return this.#data.subarray(from, to);
  }

  #grow(needed: number): void {
    if (needed <= this.#data.length) return;
    const bigger = new Int32Array(Math.max(needed, this.#data.length * 2));
    bigger.set(this.#data.subarray(0, this.length));
    this.#data = bigger;
  }
}

/** Like Int32Column, for times, addresses and weights. */
export class Float64Column {
  #data: Float64Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 64) {
    this.#data = new Float64Array(capacity);
  }

  push(value: number): number {
    if (this.length === this.#data.length) this.#grow(this.length + 1);
    this.#data[this.length] = value;
    return this.length++;
  }

  append(values: Float64Array): void {
    this.#grow(this.length + values.length);
    this.#data.set(values, this.length);
    this.length += values.length;
  }

  get(row: number): number {
    return this.#data[row];
  }

  set(row: number, value: number): void {
    this.#data[row] = value;
  }

  view(from = 0, to = this.length): Float64Array<ArrayBuffer> {
    return this.#data.subarray(from, to);
  }

  #grow(needed: number): void {
    if (needed <= this.#data.length) return;
    const bigger = new Float64Array(Math.max(needed, this.#data.length * 2));
    bigger.set(this.#data.subarray(0, this.length));
    this.#data = bigger;
  }
}

/**
 * Row numbers found by a hash, with linear probing, so that no key is stored twice: the table compares its own columns.
 *
 *     for (let slot = index.first(hash); ; slot = index.next(slot)) {
 *       const row = index.row(slot);
 *       if (row < 0) return index.put(slot, hash, newRow);
 *       if (row matches) return row;
 *     }
 */
export class RowIndex {
  #rows = new Int32Array(256).fill(-1);
  #hashes = new Int32Array(256);
  #mask = 255;
  #count = 0;

  first(hash: number): number {
    return (Math.imul(hash, 0x9e3779b1) >>> 8) & this.#mask;
  }

  next(slot: number): number {
    return (slot + 1) & this.#mask;
  }

  row(slot: number): number {
    return this.#rows[slot];
  }

  put(slot: number, hash: number, row: number): number {
    this.#rows[slot] = row;
    this.#hashes[slot] = hash;
    if (++this.#count * 2 > this.#rows.length) this.#rehash();
    return row;
  }

  #rehash(): void {
    const rows = this.#rows;
    const hashes = this.#hashes;
    this.#rows = new Int32Array(rows.length * 2).fill(-1);
    this.#hashes = new Int32Array(rows.length * 2);
    this.#mask = this.#rows.length - 1;
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] < 0) continue;
      let slot = this.first(hashes[i]);
      while (this.#rows[slot] >= 0) slot = this.next(slot);
      this.#rows[slot] = rows[i];
      this.#hashes[slot] = hashes[i];
    }
  }
}

/** Mixes integers into one 32-bit hash. */
export function hash2(a: number, b: number): number {
  return (Math.imul(a | 0, 0x85ebca6b) ^ Math.imul((b | 0) + 0x27d4eb2f, 0xc2b2ae35)) | 0;
}
