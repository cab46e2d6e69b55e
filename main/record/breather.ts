const SLICE_MS = 15;

/** Gives the loop back whenever some milliseconds have passed, so that a thread at work still answers. */
export class Breather {
  #since = performance.now();

  async pause(): Promise<void> {
    if (performance.now() - this.#since < SLICE_MS) return;
    await new Promise((next) => setImmediate(next));
    this.#since = performance.now();
  }
}
