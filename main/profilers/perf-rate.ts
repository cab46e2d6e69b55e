import { writtenBy } from '../processes/proc.ts';

const EVERY_MS = 1000;
/** Bytes a second above which less is taken. */
export const MOST_BYTES = 40e6;
/** For how many seconds in a row: the start of a program is no reason. */
const SECONDS = 3;

/** How much a perf writes, from the kernel's account of it. */
export class ByteRate {
  #pid = 0;
  #last = NaN;
  #at = 0;
  #over = 0;
  #timer: NodeJS.Timeout | null = null;
  #tooMuch: (bytesPerSecond: number) => void;

  constructor(tooMuch: (bytesPerSecond: number) => void) {
    this.#tooMuch = tooMuch;
  }

  /** From now on this process is looked at, and no other one. */
  watch(pid: number): void {
    this.#pid = pid;
    this.#last = NaN;
    this.#over = 0;
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => { this.#look(); }, EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    // A perf of another user does not tell: then nothing is done.
    const written = writtenBy(this.#pid) ?? NaN;
    const now = performance.now();
    const rate = (written - this.#last) / (now - this.#at) * 1000;
    this.#last = written;
    this.#at = now;
    this.#over = rate > MOST_BYTES ? this.#over + 1 : 0;
    if (this.#over < SECONDS) return;
    this.#over = 0;
    this.#tooMuch(rate);
  }
}
