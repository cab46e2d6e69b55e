import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { Share, overlap, within } from './ranges.ts';
import type { TimeRanges } from './view.ts';

/** A lane's weight by thread, within ranges of time. Rows are taken once, as they come. */
export class ThreadSums {
  readonly profile: Profile;
  readonly lane: Lane;
  readonly ranges: TimeRanges;
  #sums = new Float64Array(64);
  /** What goes on still, by thread: taken anew each time. */
  #open = new Map<number, number>();
  #total = 0;
  #chunk = 0;
  #row = 0;
  #thinnings = 0;

  constructor(profile: Profile, lane: Lane, ranges: TimeRanges) {
    this.profile = profile;
    this.lane = lane;
    this.ranges = ranges;
    this.#thinnings = lane.thinnings;
    this.update();
  }

  update(): void {
    const { lane, ranges, profile } = this;
    if (this.#thinnings !== lane.thinnings) {
      this.#thinnings = lane.thinnings;
      this.#chunk = this.#row = this.#total = 0;
      this.#sums.fill(0);
    }
    const threads = profile.threads.length;
    if (threads > this.#sums.length) {
      const more = new Float64Array(Math.max(threads, this.#sums.length * 2));
      more.set(this.#sums);
      this.#sums = more;
    }
    const sums = this.#sums;
    for (; this.#chunk < lane.chunks.length; this.#chunk++, this.#row = 0) {
      const chunk = lane.chunks[this.#chunk];
      const inside = within(ranges, chunk.least, chunk.greatest);
      const share = inside === 'some' ? new Share(chunk, ranges ?? [], lane.intervals) : null;
      if (inside !== 'none') {
        for (let row = this.#row; row < chunk.rows; row++) {
          const thread = chunk.thread[row];
          const weight = chunk.weight.get(row) * (share === null ? 1 : share.of(row));
          this.#total += weight;
          if (thread >= 0 && thread < sums.length) sums[thread] += weight;
        }
      }
      this.#row = chunk.rows;
      if (this.#chunk === lane.chunks.length - 1) break;
    }
    this.#open.clear();
    if (!lane.intervals) return;
    for (const one of profile.open) {
      if (profile.lanes[one.lane] !== lane || one.thread < 0) continue;
      const weight = overlap(ranges, one.since, profile.info.durationNs);
      if (weight > 0) this.#open.set(one.thread, (this.#open.get(one.thread) ?? 0) + weight);
    }
  }

  of(thread: number): number {
    return (thread < this.#sums.length ? this.#sums[thread] : 0) + (this.#open.get(thread) ?? 0);
  }

  /** Of all threads, and of rows that have none. */
  get total(): number {
    let total = this.#total;
    for (const weight of this.#open.values()) total += weight;
    return total;
  }
}
