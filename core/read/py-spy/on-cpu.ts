/**
 * How much of its time a thread was on a CPU, from readings of the kernel's own account (/proc/PID/task/TID/schedstat).
 * `points` is flat: monotonic ns, ns on CPU, and so on, oldest first.
 */
export class OnCpu {
  #points: readonly number[];
  #at = 0;

  constructor(points: readonly number[]) {
    this.#points = points;
  }

  /** False where a kernel keeps no account: all readings are 0, or there are fewer than two. */
  get known(): boolean {
    const points = this.#points;
    return points.length >= 4 && points[points.length - 1] > 0;
  }

  /**
   * Share of the time around `time` (monotonic ns), from 0; slightly above 1 where the kernel booked late. Before the
   * first and after the last reading the nearest share holds. Calls come in order of time.
   */
  at(time: number): number {
    const points = this.#points;
    while (this.#at + 4 < points.length && points[this.#at + 2] <= time) this.#at += 2;
    const elapsed = points[this.#at + 2] - points[this.#at];
    return elapsed <= 0 ? 0 : Math.min(2, Math.max(0, (points[this.#at + 3] - points[this.#at + 1]) / elapsed));
  }
}
