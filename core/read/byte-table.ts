/**
 * Byte strings with small numbers, found by hash and compared byte by byte: a line that was seen before costs no string.
 * Ids count from 0 in order of `add`.
 */
export class ByteTable {
  #arena = new Uint8Array(1 << 16);
  #used = 0;
  #offsets: number[] = [0];
  #hashes = new Int32Array(1024);
  #slots = new Int32Array(1024).fill(-1);
  #mask = 1023;
  /** Hash of the last `find`, for the `add` that follows it. */
  #lastHash = 0;

  get length(): number {
    return this.#offsets.length - 1;
  }

  /** Id of these bytes, -1 where they are new. `seed` tells apart equal bytes that mean different things. */
  find(bytes: Uint8Array, start: number, end: number, seed = 0): number {
    let hash = seed ^ 0x811c9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
    hash ^= hash >>> 15;
    this.#lastHash = hash;
    const arena = this.#arena;
    const length = end - start;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const id = this.#slots[slot];
      if (id < 0) return -1;
      if (this.#hashes[slot] !== hash) continue;
      const at = this.#offsets[id];
      if (this.#offsets[id + 1] - at !== length + 1 || arena[at] !== (seed & 255)) continue;
      let i = 0;
      while (i < length && arena[at + 1 + i] === bytes[start + i]) i++;
      if (i === length) return id;
    }
  }

  /** Adds the bytes that `find` has just not found; must follow it at once. */
  add(bytes: Uint8Array, start: number, end: number, seed = 0): number {
    const id = this.length;
    const needed = this.#used + end - start + 1;
    if (needed > this.#arena.length) {
      const bigger = new Uint8Array(Math.max(needed, this.#arena.length * 2));
      bigger.set(this.#arena.subarray(0, this.#used));
      this.#arena = bigger;
    }
    this.#arena[this.#used] = seed & 255;
    this.#arena.set(bytes.subarray(start, end), this.#used + 1);
    this.#used = needed;
    this.#offsets.push(needed);
    this.#put(this.#lastHash, id);
    if (this.length * 2 > this.#slots.length) this.#rehash();
    return id;
  }

  /** The bytes of an id, without a copy; valid until the next `add`. */
  get(id: number): Uint8Array {
    return this.#arena.subarray(this.#offsets[id] + 1, this.#offsets[id + 1]);
  }

  #put(hash: number, id: number): void {
    let slot = hash & this.#mask;
    while (this.#slots[slot] >= 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = id;
    this.#hashes[slot] = hash;
  }

  #rehash(): void {
    const [slots, hashes] = [this.#slots, this.#hashes];
    this.#slots = new Int32Array(slots.length * 2).fill(-1);
    this.#hashes = new Int32Array(slots.length * 2);
    this.#mask = this.#slots.length - 1;
    for (let i = 0; i < slots.length; i++) if (slots[i] >= 0) this.#put(hashes[i], slots[i]);
  }
}
