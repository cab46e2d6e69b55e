/**
 * Half of the 95 % interval of a share that was estimated from samples, as a fraction (0.017 = 1.7 points); null where
 * there are no samples. Wilson's interval, which stays right for shares near 0 and 1 and for few samples.
 * E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
 */
export function marginOf(samples: number, all: number): number | null {
  if (!(all > 0)) return null;
  const z = 1.959964;
  const p = Math.min(1, Math.max(0, samples / all));
  return (z / (1 + (z * z) / all)) * Math.sqrt((p * (1 - p)) / all + (z * z) / (4 * all * all));
}
