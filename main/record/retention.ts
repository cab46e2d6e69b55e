import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Raw bytes that are kept of one recording. */
export const MOST_RAW = 20e9;

/**
 * Removes the oldest raw segments of a recording beyond `most` bytes. The first segment of a stream stays: it has the header
 * and the maps without which no later byte can be read; so does the one that is being written. Returns what was removed.
 */
export function dropOldest(streams: string, most = MOST_RAW): string[] {
  const files = readdirSync(streams).map((name) => {
    const { size, mtimeMs } = statSync(join(streams, name));
    return { name, size, at: mtimeMs, stream: name.replace(/(\.\d{4})?\.zst$/, ''), segment: Number(/\.(\d{4})\.zst$/.exec(name)?.[1] ?? 0) };
  });
  let total = files.reduce((sum, file) => sum + file.size, 0);
  const newest = new Map<string, number>();
  for (const file of files) newest.set(file.stream, Math.max(newest.get(file.stream) ?? 0, file.segment));
  const removed: string[] = [];
  for (const file of files.sort((a, b) => a.at - b.at || a.segment - b.segment)) {
    if (total <= most) break;
    if (file.segment === 0 || file.segment === newest.get(file.stream)) continue;
    rmSync(join(streams, file.name));
    total -= file.size;
    removed.push(file.name);
  }
  return removed;
}
