import type { Lane } from '#core/model/lane';
import type { Track } from '#core/model/profile';
import { isHeld } from './memory.ts';

/** Bins begin this wide, in ns; they double when there are too many. Times of a GPU are no samples: a trace of 5 ms has a shape too. */
const FIRST_BIN = 5e6;
const FINE_BIN = 1e3;
const MOST_BINS = 16_384;

/**
 * A lane over time, for the strip above the panes: weight in bins, taken row by row as rows come.
 *
 * A sample of CPU time stands for the time before it, so its weight is spread over [time - weight, time); an interval over
 * itself; anything else (bytes, counts) falls into the bin of its moment. Of a lane of held memory, whose rows are gains and losses,
 * the line is their running sum.
 */
export class LaneStrip {
  readonly lane: Lane;
  #binNs: number;
  #bins = new Float64Array(1024);
  #length = 0;
  #chunk = 0;
  #row = 0;
  /** How often the lane had been emptied when its rows were taken. */
  #clears: number;
  /** The line is the sum of all bins up to a moment. */
  readonly held: boolean;
  /** Its rows are exact and short: bins are as narrow as there is room for. */
  readonly fine: boolean;
  /** Sum of the bins before each, as far as it is known. */
  #sums = new Float64Array(1);
  #summed = 0;
  /** Since when intervals go on that have not ended, and until when that is known. */
  #open: readonly number[] = [];
  #openUntil = 0;

  constructor(lane: Lane) {
    this.lane = lane;
    this.held = isHeld(lane);
    this.fine = lane.intervals && (lane.kind === 'cuda' || lane.kind === 'gpu-idle');
    this.#binNs = this.fine || lane.kind === 'gpu-memory' ? FINE_BIN : FIRST_BIN;
    this.#clears = lane.clears;
    this.update();
  }

  /** Takes the rows that came; true if there were any. */
  update(): boolean {
    const { chunks, intervals, unit } = this.lane;
    let taken = false;
    // A lane that was cleared comes again from its first row. A thinned one has the same bins: positions hold.
    if (this.#clears !== this.lane.clears) {
      this.#clears = this.lane.clears;
      this.#bins.fill(0);
      this.#length = this.#chunk = this.#row = this.#summed = 0;
    }
    for (; this.#chunk < chunks.length; this.#chunk++, this.#row = 0) {
      const chunk = chunks[this.#chunk];
      for (; this.#row < chunk.rows; this.#row++) {
        const time = chunk.timeAt(this.#row);
        const weight = chunk.weight.get(this.#row);
        taken = true;
        if (intervals) this.#spread(time, time + chunk.duration.get(this.#row), weight);
        else if (unit === 'ns') this.#spread(time - weight, time, weight);
        else this.#spread(time, time, weight);
      }
      if (this.#chunk === chunks.length - 1) break;
    }
    return taken;
  }

  /**
   * Mean of `steps` equal parts of [from, to) in ns: for a lane of time how many threads at once (cores, blocked threads), for one of
   * held memory how much was held, otherwise weight a second.
   */
  steps(from: number, to: number, steps: number): Float64Array {
    const values = new Float64Array(steps);
    const width = (to - from) / steps;
    for (let i = 0; i < steps; i++) values[i] = this.mean(from + i * width, from + (i + 1) * width);
    return values;
  }

  /** As one value of `steps`. */
  mean(from: number, to: number): number {
    if (!(to > from)) return 0;
    if (this.held) return this.#meanHeld(from, to);
    const bin = this.#binNs;
    const first = Math.max(0, Math.floor(from / bin));
    const last = Math.min(this.#length - 1, Math.ceil(to / bin) - 1);
    let sum = 0;
    for (let i = first; i <= last; i++) {
      const part = (Math.min(to, (i + 1) * bin) - Math.max(from, i * bin)) / bin;
      sum += this.#bins[i] * part;
    }
    for (const since of this.#open) sum += Math.max(0, Math.min(to, this.#openUntil) - Math.max(from, since));
    return this.lane.unit === 'ns' ? sum / (to - from) : (sum / (to - from)) * 1e9;
  }

  /** Intervals that have not ended: since when they go on, and up to when that is known, ns. They are no rows yet. */
  setOpen(since: readonly number[], until: number): void {
    this.#open = since;
    this.#openUntil = until;
  }

  /** Largest value of a bin so far, in the unit of `steps`. */
  get largest(): number {
    return this.largestOver(0);
  }

  /** Largest mean of parts of about `width` ns so far, in the unit of `steps`: for a fixed scale. */
  largestOver(width: number): number {
    let most = 0;
    if (this.held) {
      this.#sum();
      for (let i = 0; i <= this.#length; i++) if (this.#sums[i] > most) most = this.#sums[i];
      return most;
    }
    const bins = Math.max(1, Math.round(width / this.#binNs));
    for (let first = 0; first < this.#length; first += bins) {
      let sum = 0;
      for (let i = first; i < Math.min(this.#length, first + bins); i++) sum += this.#bins[i];
      if (sum > most) most = sum;
    }
    return (this.lane.unit === 'ns' ? most : most * 1e9) / (this.#binNs * bins);
  }

  /** End of the last bin, ns. */
  get end(): number {
    return Math.max(this.#length * this.#binNs, this.#open.length > 0 ? this.#openUntil : 0);
  }

  // Within a bin the line goes straight from the sum before it to the sum after it.
  #meanHeld(from: number, to: number): number {
    this.#sum();
    const bin = this.#binNs;
    const at = (time: number): number => {
      const place = Math.max(0, time / bin);
      const i = Math.floor(place);
      return i >= this.#length ? this.#sums[this.#length] : this.#sums[i] + (this.#sums[i + 1] - this.#sums[i]) * (place - i);
    };
    let area = 0;
    for (let time = from; time < to;) {
      const next = Math.min(to, time >= this.#length * bin ? to : (Math.floor(Math.max(0, time) / bin) + 1) * bin);
      area += ((at(time) + at(next)) / 2) * (next - time);
      time = next;
    }
    return area / (to - from);
  }

  #sum(): void {
    if (this.#sums.length <= this.#length) {
      const more = new Float64Array(this.#bins.length + 1);
      more.set(this.#sums);
      this.#sums = more;
    }
    for (; this.#summed < this.#length; this.#summed++) this.#sums[this.#summed + 1] = this.#sums[this.#summed] + this.#bins[this.#summed];
  }

  #spread(from: number, to: number, weight: number): void {
    const start = Math.max(0, from);
    const end = Math.max(start, to);
    // Times of a damaged file: no bin is wide enough for them.
    if (!Number.isFinite(end) || !Number.isFinite(weight)) return;
    while (end >= MOST_BINS * this.#binNs) this.#halve();
    const bin = this.#binNs;
    const first = Math.floor(start / bin);
    const last = end > start ? Math.max(first, Math.ceil(end / bin) - 1) : first;
    this.#reach(last + 1);
    if (first < this.#summed) this.#summed = first;
    if (first === last) {
      this.#bins[first] += weight;
      return;
    }
    const each = weight / (end - start);
    for (let i = first; i <= last; i++) this.#bins[i] += each * (Math.min(end, (i + 1) * bin) - Math.max(start, i * bin));
  }

  #reach(length: number): void {
    if (length > this.#bins.length) {
      const bins = new Float64Array(Math.max(length, this.#bins.length * 2));
      bins.set(this.#bins);
      this.#bins = bins;
    }
    if (length > this.#length) this.#length = length;
  }

  #halve(): void {
    const bins = this.#bins;
    const length = Math.ceil(this.#length / 2);
    for (let i = 0; i < length; i++) bins[i] = bins[2 * i] + (2 * i + 1 < this.#length ? bins[2 * i + 1] : 0);
    bins.fill(0, length);
    this.#length = length;
    this.#summed = 0;
    this.#binNs *= 2;
  }
}

/**
 * A track as `steps` equal parts of [from, to) in ns: the mean over each part of a line that holds every value until the
 * next; NaN before the first value. After the last value the line goes on to `until` and is NaN from there.
 */
export function trackSteps(track: Track, from: number, to: number, steps: number, until = to): Float64Array {
  const values = new Float64Array(steps).fill(NaN);
  const times = track.time.view();
  const rows = track.value.view();
  const width = (to - from) / steps;
  if (times.length === 0 || !(width > 0)) return values;
  let at = lastBefore(times, from);
  for (let i = 0; i < steps; i++) {
    const start = Math.max(from + i * width, times[0]);
    const end = Math.min(from + (i + 1) * width, until);
    if (end <= start) continue;
    while (at + 1 < times.length && times[at + 1] <= start) at++;
    let sum = 0;
    let now = start;
    for (let row = Math.max(0, at); now < end; row++) {
      const next = row + 1 < times.length ? Math.min(end, Math.max(now, times[row + 1])) : end;
      sum += rows[row] * (next - now);
      now = next;
    }
    values[i] = sum / (end - start);
  }
  return values;
}

/** Mean of a track in [from, to); NaN where it has no value there. */
export function trackMean(track: Track, from: number, to: number): number {
  return trackSteps(track, from, to, 1)[0];
}

/** The latest value, NaN where there is none. */
export function trackLatest(track: Track): number {
  return track.value.length === 0 ? NaN : track.value.get(track.value.length - 1);
}

/** Largest value so far, or the track's own scale: the top of its line. */
export function trackTop(track: Track): number {
  if (track.scale > 0) return track.scale;
  let most = 0;
  for (const value of track.value.view()) if (value > most) most = value;
  return most;
}

/** End of the time axis in ns while live: 30 s, then doubled until it holds `now`. */
export function liveWindow(now: number): number {
  let window = 30e9;
  while (window < now) window *= 2;
  return window;
}

/** Row of the last time that is not after `time`, -1 where all are after it. */
function lastBefore(times: Float64Array, time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (times[middle] <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
