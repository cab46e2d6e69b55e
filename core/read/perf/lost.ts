// Losses: how many records the kernel could not keep, and over what time.

type Report = (count: number, start: number, end: number, counted: boolean) => void;

/**
 * A LOST record is written by the CPU that lost, with the next record that found room: the loss lies between the record of that
 * CPU before it and itself; a LOST_SAMPLES with a time (the CPU's own buffer was full) counts the same way. Without a time
 * LOST_SAMPLES is the sum that perf reads from the kernel's counters at its end; it names the same losses again (and those
 * that no later record of the CPU could tell of), so only what goes beyond LOST is new.
 */
export class Lost {
  #lastOfCpu = new Map<number, number>();
  #newest = NaN;
  #first = NaN;
  #marks: { readonly count: number; readonly start: number; readonly end: number }[] = [];
  #told = 0;
  #samples = 0;

  /** A record of a CPU (-1 where unknown) at a time. */
  see(cpu: number, time: number): void {
    if (!(time === time)) return;
    if (!(this.#first === this.#first)) this.#first = time;
    if (!(this.#newest >= time)) this.#newest = time;
    if (cpu >= 0) this.#lastOfCpu.set(cpu, time);
  }

  add(count: number, cpu: number, time: number): void {
    this.#told += count;
    const end = time === time ? time : this.#newest;
    if (!(end === end)) return;
    const start = this.#lastOfCpu.get(cpu) ?? (cpu < 0 ? this.#newest : this.#first);
    this.#marks.push({ count, start: start <= end ? start : end, end });
  }

  tellOfSamples(count: number): void {
    this.#samples += count;
  }

  /** Reports what is new, in ns since `zero`. */
  write(zero: number, ended: boolean, report: Report): void {
    for (const mark of this.#marks) report(mark.count, mark.start - zero, mark.end - zero, true);
    this.#marks.length = 0;
    if (!ended || this.#samples <= this.#told) return;
    const count = this.#samples - this.#told;
    this.#told = this.#samples;
    report(count, this.#first - zero, this.#newest - zero, false);
  }
}
