const STEP_LINES = 16_384;

/** Text of the kernel and its modules by address, from /proc/kallsyms. Addresses are the low 48 bits. */
export class KernelSymbols {
  #text: string;
  #starts: Float64Array;
  /** Where in the text a symbol's name begins. */
  #names: Uint32Array;

  private constructor(text: string, starts: Float64Array, names: Uint32Array) {
    this.#text = text;
    this.#starts = starts;
    this.#names = names;
  }

  get count(): number {
    return this.#starts.length;
  }

  /** null where the addresses are hidden (all zero) or nothing is readable. */
  static parse(text: string): KernelSymbols | null {
    const steps = KernelSymbols.steps(text);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /** The same in steps of a few ms. */
  static *steps(text: string): Generator<undefined, KernelSymbols | null> {
    let starts = new Float64Array(65_536);
    let names = new Uint32Array(65_536);
    let count = 0;
    let sorted = true;
    for (let at = 0, lines = 1; at < text.length; lines++) {
      if (lines % STEP_LINES === 0) yield undefined;
      let end = text.indexOf('\n', at);
      if (end < 0) end = text.length;
      // "ffffffff81000000 T _text": only code is of use.
      const type = text.charCodeAt(at + 17) | 32;
      if (end - at > 19 && text.charCodeAt(at + 16) === 32 && (type === 0x74 || type === 0x77)) {
        const address = hex(text, at + 4, 6) * 0x100_0000 + hex(text, at + 10, 6);
        if (address > 0) {
          if (count === starts.length) {
            const more = new Float64Array(count * 2);
            more.set(starts);
            starts = more;
            const moreNames = new Uint32Array(count * 2);
            moreNames.set(names);
            names = moreNames;
          }
          if (count > 0 && address < starts[count - 1]) sorted = false;
          starts[count] = address;
          names[count++] = at + 19;
        }
      }
      at = end + 1;
    }
    if (count === 0) return null;
    starts = starts.slice(0, count);
    names = names.slice(0, count);
    yield undefined;
    if (!sorted) {
      const order = new Uint32Array(count);
      for (let i = 0; i < count; i++) order[i] = i;
      const unsorted = starts;
      order.sort((a, b) => unsorted[a] - unsorted[b] || a - b);
      const before = names;
      starts = unsorted.slice().sort();
      names = new Uint32Array(count);
      for (let i = 0; i < count; i++) names[i] = before[order[i]];
    }
    return new KernelSymbols(text, starts, names);
  }

  /** Name, and the module in brackets or ''. null before the first symbol. */
  find(address48: number): { name: string; module: string; start: number } | null {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle] <= address48) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return null;
    // The first of several names for one place is the one that the source uses most often.
    while (low > 1 && this.#starts[low - 2] === this.#starts[low - 1]) low--;
    let end = this.#text.indexOf('\n', this.#names[low - 1]);
    if (end < 0) end = this.#text.length;
    const [name, module = ''] = this.#text.slice(this.#names[low - 1], end).split('\t');
    return { name, module: module.trim(), start: this.#starts[low - 1] };
  }
}

function hex(text: string, from: number, digits: number): number {
  let value = 0;
  for (let i = from; i < from + digits; i++) {
    const c = text.charCodeAt(i);
    value = value * 16 + (c < 58 ? c - 48 : (c | 32) - 87);
  }
  return value;
}
