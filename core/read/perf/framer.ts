// Cuts a byte stream into records. Bytes are copied once into blocks; a record that waits for its turn keeps its block.

const BLOCK_BYTES = 1 << 20;
/** A record's size is 16 bits: what is left at a block's end is always moved to one that can hold it whole. */
const MOST_RECORD = 0x1_0000;

export interface Block {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
}

/**
 * Gets each record where it lies: `at` is its header, `size` its size with header. Answers how many bytes follow that belong
 * to it but are not in its size (tracing data, AUX traces); they are skipped.
 */
export type RecordSink = (block: Block, at: number, size: number) => number;

export class Framer {
  #sink: RecordSink;
  #block: Block = newBlock();
  /** First byte of the record that is not complete yet. */
  #from = 0;
  #filled = 0;
  #skip = 0;
  /** Bytes that were not read after a record of an impossible size. */
  broken = 0;
  /** True once a record of an impossible size was met: where the next begins cannot be known. */
  isBroken = false;

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  /** Bytes of a record that is not complete. */
  get waiting(): number {
    return this.#filled - this.#from;
  }

  /** Bytes of a payload that have not come yet. */
  get missing(): number {
    return this.#skip;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.isBroken) {
        this.broken += chunk.length - at;
        return;
      }
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      if (BLOCK_BYTES - this.#from < MOST_RECORD) this.#move();
      // A chunk that ends a record early would otherwise be copied whole behind a payload that is to be skipped.
      const room = Math.min(BLOCK_BYTES - this.#filled, chunk.length - at);
      this.#block.bytes.set(at === 0 && room === chunk.length ? chunk : chunk.subarray(at, at + room), this.#filled);
      this.#filled += room;
      at += room;
      this.#cut();
    }
  }

  #cut(): void {
    const { view } = this.#block;
    while (this.#filled - this.#from >= 8) {
      const size = view.getUint16(this.#from + 6, true);
      if (size < 8) {
        this.isBroken = true;
        this.broken += this.#filled - this.#from;
        this.#filled = this.#from;
        return;
      }
      if (this.#filled - this.#from < size) return;
      const at = this.#from;
      this.#from += size;
      const extra = this.#sink(this.#block, at, size);
      if (extra > 0) {
        const here = Math.min(extra, this.#filled - this.#from);
        this.#from += here;
        this.#skip = extra - here;
        if (this.#skip > 0) return;
      }
    }
  }

  #move(): void {
    const next = newBlock();
    next.bytes.set(this.#block.bytes.subarray(this.#from, this.#filled));
    this.#filled -= this.#from;
    this.#from = 0;
    this.#block = next;
  }
}

function newBlock(): Block {
  const bytes = new Uint8Array(BLOCK_BYTES);
  return { bytes, view: new DataView(bytes.buffer) };
}
