// How many threads a recording has seen, in any lane. Pure.
import type { Profile } from '#core/model/profile';

/** Threads with rows, counted as rows come: each row is looked at once. */
export class SeenThreads {
  readonly #profile: Profile;
  #seen = new Uint8Array(64);
  /** By lane: how far its rows were taken, and how often they were thinned by then. */
  #lanes: { chunk: number; row: number; thinnings: number }[] = [];
  #count = 0;

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** Takes what came; how many threads there are. */
  count(): number {
    const { lanes, open } = this.#profile;
    lanes.forEach((lane, i) => {
      const at = (this.#lanes[i] ??= { chunk: 0, row: 0, thinnings: lane.thinnings });
      // Rows that were thinned or cleared were of the same threads.
      if (at.thinnings !== lane.thinnings) Object.assign(at, { chunk: 0, row: 0, thinnings: lane.thinnings });
      for (; at.chunk < lane.chunks.length; at.chunk++, at.row = 0) {
        const chunk = lane.chunks[at.chunk];
        for (; at.row < chunk.rows; at.row++) this.#mark(chunk.thread[at.row]);
        if (at.chunk === lane.chunks.length - 1) break;
      }
    });
    for (const one of open) this.#mark(one.thread);
    return this.#count;
  }

  #mark(thread: number): void {
    if (thread < 0) return;
    if (thread >= this.#seen.length) {
      const more = new Uint8Array(Math.max(thread + 1, this.#seen.length * 2));
      more.set(this.#seen);
      this.#seen = more;
    }
    if (this.#seen[thread] === 1) return;
    this.#seen[thread] = 1;
    this.#count++;
  }
}

/** What the button of the thread tree says. `nameOf`: a thread's name with its id. */
export function threadsLabel(chosen: readonly number[] | null, all: number, nameOf: (row: number) => string): string {
  if (chosen === null) return all === 0 ? 'All threads' : all === 1 ? '1 thread' : `All ${all} threads`;
  return chosen.length === 1 ? nameOf(chosen[0]) : `${chosen.length} of ${all} threads`;
}
