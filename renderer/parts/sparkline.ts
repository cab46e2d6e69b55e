/**
 * The path of a sparkline: values from the right edge back. The scale begins at 0 and ends at no less than 20 percent of a
 * core, so that an idle process is a flat line and not magnified noise.
 */
export function sparkline(values: readonly number[], length: number, width: number, height: number): string {
  if (values.length < 2) return '';
  const top = Math.max(20, ...values) * 1.1;
  const step = width / (length - 1);
  const first = width - (values.length - 1) * step;
  return values
    .map((value, i) => `${i === 0 ? 'M' : 'L'}${round(first + i * step)} ${round(height - 1 - (Math.max(0, value) / top) * (height - 2))}`)
    .join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
