/** More places than a program of ten million lines is sampled at; beyond it the cache starts again. */
const LIMIT = 1 << 19;

/** Values by address (a double below 2^53): a hash table without a heap number per key. */
export class PcTable<T> {
  #keys = new Float64Array(64).fill(-1);
  #values: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined);
  #mask = 63;
  #count = 0;

  get(key: number): T | undefined {
    const keys = this.#keys;
    for (let slot = hashOf(key) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const found = keys[slot];
      if (found === key) return this.#values[slot];
      if (found < 0) return undefined;
    }
  }

  set(key: number, value: T): void {
    if (this.#count >= LIMIT) this.clear();
    if ((this.#count + 1) * 2 > this.#keys.length) this.#grow();
    this.#put(key, value);
  }

  clear(): void {
    this.#keys = new Float64Array(64).fill(-1);
    this.#values = new Array<T | undefined>(64).fill(undefined);
    this.#mask = 63;
    this.#count = 0;
  }

  #put(key: number, value: T): void {
    let slot = hashOf(key) & this.#mask;
    while (this.#keys[slot] >= 0 && this.#keys[slot] !== key) slot = (slot + 1) & this.#mask;
    if (this.#keys[slot] < 0) this.#count++;
    this.#keys[slot] = key;
    this.#values[slot] = value;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(keys.length * 2).fill(-1);
    this.#values = new Array<T | undefined>(keys.length * 2).fill(undefined);
    this.#mask = keys.length * 2 - 1;
    this.#count = 0;
    for (let i = 0; i < keys.length; i++) {
      const value = values[i];
      if (keys[i] >= 0 && value !== undefined) this.#put(keys[i], value);
    }
  }
}

function hashOf(key: number): number {
  const low = key | 0;
  const high = (key / 0x1_0000_0000) | 0;
  const mixed = Math.imul(low ^ Math.imul(high, 0x27d4eb2f), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
