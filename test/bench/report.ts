/** Lines of a bench: what was measured, how often, and what the design aims at. A figure is never asserted. */
export interface Figure {
  readonly what: string;
  readonly value: string;
  readonly aim: string;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

/** Runs `work` `times` times and gives each run's milliseconds. */
export async function timed(times: number, work: (run: number) => void | Promise<void>): Promise<number[]> {
  const taken: number[] = [];
  for (let run = 0; run < times; run++) {
    const began = performance.now();
    await work(run);
    taken.push(performance.now() - began);
  }
  return taken;
}

export function print(title: string, figures: readonly Figure[]): void {
  console.log(`\n${title}`);
  for (const { what, value, aim } of figures) console.log(`  ${what.padEnd(58)} ${value.padEnd(34)} ${aim === '' ? '' : `aim: ${aim}`}`);
}
