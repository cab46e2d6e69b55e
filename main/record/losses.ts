import { formatCount, formatPercent } from '#core/analyze/format';

/** Losses nearer together than this are one place on the timeline, ns. */
const NEAR = 1e9;

/** Samples that a recording lost, and where. */
export class Losses {
  count = 0;
  #start = Infinity;
  #end = -Infinity;
  #places = 0;

  /** Times in ns since the recording began. */
  add(count: number, start: number, end: number): void {
    this.count += count;
    if (start > this.#end + NEAR) this.#places++;
    this.#start = Math.min(this.#start, start);
    this.#end = Math.max(this.#end, end);
  }

  /** `312 samples were lost between 18.42 s and 19.13 s (0.5 %).` `samples`: those that came; 0 where that is not known yet. */
  text(samples: number): string {
    const what = this.count === 1 ? '1 sample was lost' : `${formatCount(this.count)} samples were lost`;
    const places = this.#places > 1 ? ` in ${formatCount(this.#places)} places` : '';
    const seconds = (time: number): string => `${(Math.max(0, time) / 1e9).toFixed(2)} s`;
    const when = seconds(this.#start) === seconds(this.#end) ? ` at ${seconds(this.#start)}` : ` between ${seconds(this.#start)} and ${seconds(this.#end)}`;
    const share = samples > 0 ? ` (${formatPercent(this.count / (this.count + samples))})` : '';
    return `${what}${places}${when}${share}.`;
  }
}
