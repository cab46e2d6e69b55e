import { toolVersion } from '../record/version.ts';
import type { CliIo } from './io.ts';
import { print } from './io.ts';

/** Prints what `--json` gives: one object, its version and ours first. The schemas are in resources/schema/. */
export async function printJson(io: CliIo, value: Readonly<Record<string, unknown>>): Promise<void> {
  await print(io.stdout, `${JSON.stringify({ schema: 1, tool: `flamebench ${toolVersion()}`, ...value }, null, 1)}\n`);
}

/** Rows under a heading, columns apart by two spaces; numbers (columns named in `right`) to the right. The last column is not padded. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  return all.map((row) => row.map((cell, column) => {
    if (right.includes(column)) return cell.padStart(widths[column]);
    return column === row.length - 1 ? cell : cell.padEnd(widths[column]);
  }).join('  ').trimEnd()).join('\n') + '\n';
}
