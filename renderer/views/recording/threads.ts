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

/** Threads with samples in a lane, busiest first. */
export function threadChoices(profile: Profile, lane: Lane | null): ThreadChoice[] {
  if (lane === null) return [];
  const { threads, processes } = profile;
  const counts = new Float64Array(threads.length);
  for (const chunk of lane.chunks) {
    for (let row = 0; row < chunk.rows; row++) if (chunk.thread[row] >= 0) counts[chunk.thread[row]] += chunk.count.get(row);
  }
  const busy = [...counts.keys()].filter((row) => counts[row] > 0);
  const manyProcesses = new Set(busy.map((row) => threads.process.get(row))).size > 1;
  const groups = new Map<string, number[]>();
  for (const row of busy) {
    const key = busy.length > SINGLE ? `${threads.process.get(row)} ${threads.nameOf(row as ThreadId)}` : String(row);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()]
    .map((rows) => ({ rows, count: rows.reduce((sum, row) => sum + counts[row], 0) }))
    .sort((a, b) => b.count - a.count)
    .map(({ rows, count }) => {
      const first = rows[0];
      const process = threads.process.get(first);
      const name = threads.nameOf(first as ThreadId) || 'thread';
      const owner = manyProcesses && process >= 0 ? `, ${processes.nameOf(process as ProcessId)} ${processes.pid.get(process)}` : '';
      return { label: rows.length > 1 ? `${rows.length} × ${name}${owner}` : `${name} ${threads.tid.get(first)}${owner}`, note: formatCount(count), rows };
    });
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
