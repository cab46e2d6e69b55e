// Which Python function calls which native one, learned from moments that leave no doubt. Near the edge between two Python
// stacks the times of py-spy, which are some ms off, do not say which of both a native stack belongs to; what
// the native stack does says it: `zlib_compress` goes to the function that was seen to call it.

/** How much more often a Python function must have been seen with a native one than the nearest in time, to be taken instead. */
const CLEARLY = 4;
/** What a function that was never seen is taken to do: any one thing in ten. */
const PRIOR = 0.1;
const MOST_PAIRS = 100_000;
const PYTHON_ROWS = 0x400_0000;

/** Function rows, -1 for a native function where Python itself ran. */
export class CallEvidence {
  readonly #pairs = new Map<number, number>();
  readonly #all = new Map<number, number>();

  /** A moment at which `python` was seen with `native`; `weight` 1 where no other could have called it, less where one could. */
  learn(python: number, native: number, weight: number): void {
    if (this.#pairs.size > MOST_PAIRS) {
      this.#pairs.clear();
      this.#all.clear();
    }
    const key = (native + 1) * PYTHON_ROWS + python;
    this.#pairs.set(key, (this.#pairs.get(key) ?? 0) + weight);
    this.#all.set(python, (this.#all.get(python) ?? 0) + weight);
  }

  /** Share of its moments that a Python function was seen with a native one. */
  share(python: number, native: number): number {
    return ((this.#pairs.get((native + 1) * PYTHON_ROWS + python) ?? 0) + PRIOR) / ((this.#all.get(python) ?? 0) + 1);
  }

  /** Whether `other` is to be taken instead of the nearest. */
  prefers(other: number, nearest: number, native: number): boolean {
    return this.share(other, native) >= CLEARLY * this.share(nearest, native);
  }
}
