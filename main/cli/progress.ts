import type { CliIo } from './io.ts';

const REDRAW_MS = 100;

/** A bar on standard error where that is a terminal; silent elsewhere. */
export class Progress {
  #io: CliIo;
  #shown = false;
  #last = 0;
  #began = performance.now();

  constructor(io: CliIo) {
    this.#io = io;
  }

  /** `total` 0 = not known. Both in the same unit. */
  update(what: string, done: number, total: number): void {
    const now = performance.now();
    // Nothing flashes by for a small file.
    if (!this.#io.stderrIsTTY || now - this.#began < 300 || now - this.#last < REDRAW_MS) return;
    this.#last = now;
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const left = share > 0.02 ? `${Math.ceil(((now - this.#began) / 1000) * (1 / share - 1))} s left` : '';
    const width = Math.max(0, Math.min(40, this.#io.columns - what.length - 22));
    const bar = total > 0 ? `${'█'.repeat(Math.round(share * width))}${'░'.repeat(width - Math.round(share * width))} ${Math.floor(share * 100)} % ${left}` : '…';
    this.#io.stderr.write(`\r\x1b[K${what} ${bar}`);
    this.#shown = true;
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#shown) this.#io.stderr.write('\r\x1b[K');
    this.#shown = false;
  }
}
