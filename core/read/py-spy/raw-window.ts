// One window of py-spy's `raw` format with `--threads --full-filenames`: `frame;frame;... count`, root first
// (https://github.com/benfred/py-spy/blob/v0.4.2/src/flamegraph.rs). Used where only holders of the interpreter's lock are
// asked for: chrometrace leaves a thread's last stack open when it loses the lock.
import type { TraceFrame } from './trace.ts';
import { headerOf } from './trace.ts';

export interface RawThread {
  pid: number;
  tid: number;
  own: string;
  name: string;
  samples: number;
  readonly stacks: { readonly frames: readonly TraceFrame[]; readonly count: number }[];
}

/** More samples than any window can hold: such a count is an error. */
const MOST_COUNT = 1_000_000;

/** Reads all lines; those that are none are counted. */
export function readRaw(text: string): { threads: RawThread[]; skipped: number } {
  const threads = new Map<string, RawThread>();
  let skipped = 0;
  let budget = MOST_COUNT;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const match = /^(.+) (\d{1,7})\s*$/.exec(line);
    const count = match === null ? 0 : Number(match[2]);
    if (match === null || count === 0 || count > budget) {
      skipped++;
      continue;
    }
    budget -= count;
    let pid = 0;
    let tid = 0;
    let name = '';
    const frames: TraceFrame[] = [];
    // A command line may hold semicolons itself: it ends where its thread begins.
    const command = /^process (\d+):".*?";(?=thread \()/.exec(match[1]);
    if (command !== null) pid = Number(command[1]);
    for (const word of match[1].slice(command?.[0].length ?? 0).split(';')) {
      const header = frames.length === 0 ? headerOf(word) : null;
      if (header !== null) {
        if (header.pid !== 0) pid = header.pid;
        else {
          tid = header.tid;
          name = header.name;
        }
        continue;
      }
      const place = /^(.*) \((.*?)(?::(\d{1,9}))?\)$/.exec(word);
      frames.push(place === null ? { name: word, file: '', line: 0 } : { name: place[1], file: place[2], line: Number(place[3] ?? 0) });
    }
    if (frames.length === 0) {
      skipped++;
      continue;
    }
    const key = `${pid}:${tid}:${name}`;
    let thread = threads.get(key);
    if (thread === undefined) {
      thread = { pid, tid, own: key, name, samples: 0, stacks: [] };
      threads.set(key, thread);
    }
    thread.samples += count;
    thread.stacks.push({ frames, count });
  }
  return { threads: [...threads.values()], skipped };
}
