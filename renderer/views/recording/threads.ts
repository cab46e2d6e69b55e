// The thread chooser's rows. Pure.
import { formatCount } from '#core/analyze/format';
import type { ProcessId, ThreadId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';

export interface ThreadChoice {
  readonly label: string;
  /** Its samples. */
  readonly note: string;
  /** Rows of the thread table; more than one where threads of one name are taken together. */
  readonly rows: readonly number[];
}

/** Above this many threads, those of one name in one process are one choice. */
const SINGLE = 40;

/** Other processes' threads below this share of all samples are helpers. */
const HELPER = 0.01;

/**
 * Threads with samples in a lane, busiest first. What a process did before it became its program (the shell of a shim:
 * an earlier generation of the same pid and tid) and helper processes under 1 % are one choice at the end, "N short-lived".
 */
export function threadChoices(profile: Profile, lane: Lane | null): ThreadChoice[] {
  if (lane === null) return [];
  const { threads, processes } = profile;
  const counts = new Float64Array(threads.length);
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) if (chunk.thread[row] >= 0) counts[chunk.thread[row]] += chunk.count.get(row);
  }
  const busy = [...counts.keys()].filter((row) => counts[row] > 0);
  const all = busy.reduce((sum, row) => sum + counts[row], 0);
  const newest = new Map<string, number>();
  const ofProcess = new Map<number, number>();
  for (let row = 0; row < threads.length; row++) {
    const process = threads.process.get(row);
    newest.set(`${process} ${threads.tid.get(row)}`, Math.max(threads.generation.get(row), newest.get(`${process} ${threads.tid.get(row)}`) ?? 0));
    ofProcess.set(process, (ofProcess.get(process) ?? 0) + counts[row]);
  }
  const main = [...ofProcess].reduce((best, one) => (one[1] > best[1] ? one : best), [-1, -1])[0];
  const isShort = (row: number): boolean => {
    const process = threads.process.get(row);
    return threads.generation.get(row) < (newest.get(`${process} ${threads.tid.get(row)}`) ?? 0)
      || (process !== main && (ofProcess.get(process) ?? 0) < HELPER * all);
  };
  const short = busy.filter(isShort);
  // One of them alone is as well named.
  const folded = new Set(short.length > 1 ? short : []);
  const manyProcesses = new Set(busy.filter((row) => !folded.has(row)).map((row) => threads.process.get(row))).size > 1;
  const groups = new Map<string, number[]>();
  for (const row of busy) {
    if (folded.has(row)) continue;
    const key = busy.length > SINGLE ? `${threads.process.get(row)} ${threads.nameOf(row as ThreadId)}` : String(row);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const choices = [...groups.values()]
    .map((rows) => ({ rows, count: rows.reduce((sum, row) => sum + counts[row], 0) }))
    .sort((a, b) => b.count - a.count)
    .map(({ rows, count }) => {
      const first = rows[0];
      const process = threads.process.get(first);
      const name = threads.nameOf(first as ThreadId) || 'thread';
      const owner = manyProcesses && process >= 0 ? `, ${processes.nameOf(process as ProcessId)} ${processes.pid.get(process)}` : '';
      return { label: rows.length > 1 ? `${rows.length} × ${name}${owner}` : `${name} ${threads.tid.get(first)}${owner}`, note: formatCount(count), rows };
    });
  if (folded.size > 0) choices.push({ label: `${folded.size} short-lived`, note: formatCount(short.reduce((sum, row) => sum + counts[row], 0)), rows: short });
  return choices;
}

/** What the button says. */
export function threadsText(chosen: readonly number[] | null, choices: readonly ThreadChoice[]): string {
  const all = choices.reduce((sum, choice) => sum + choice.rows.length, 0);
  if (chosen === null) return all === 0 ? 'All threads' : all === 1 ? '1 thread' : `All ${all} threads`;
  const only = chosen.length === 1 ? choices.find((choice) => choice.rows.length === 1 && choice.rows[0] === chosen[0]) : undefined;
  return only !== undefined ? only.label : `${chosen.length} of ${all} threads`;
}

/** The selection after a choice was ticked or unticked; null = all. Unticking the last one takes all again. */
export function toggled(chosen: readonly number[] | null, rows: readonly number[], choices: readonly ThreadChoice[]): readonly number[] | null {
  const everything = choices.flatMap((choice) => choice.rows);
  const now = new Set(chosen ?? everything);
  const ticked = rows.every((row) => now.has(row));
  for (const row of rows) {
    if (ticked) now.delete(row);
    else now.add(row);
  }
  if (now.size === 0 || everything.every((row) => now.has(row))) return null;
  return [...now].sort((a, b) => a - b);
}
