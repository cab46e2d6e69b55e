// Python functions that were told from a program's memory while it ran, carried over to a profile that is decoded again: the memory is gone.
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { FRAME_RULES } from '#core/model/tables';

/** How many rows were given the stack that they had before. */
export function tellAsBefore(profile: Profile, before: Profile): number {
  let told = 0;
  const copy = new StackCopy(profile, before);
  for (const lane of profile.lanes) {
    const old = before.lanes.find((one) => one.kind === lane.kind && one.name === lane.name);
    // Only where time alone told less than memory did.
    if (old === undefined || old.mergedRows === 0 || lane.mergedRows < lane.rows || wellTold(lane) >= wellTold(old)) continue;
    told += tellLane(profile, lane, before, old, copy);
  }
  return told;
}

/** Share of the samples in Python whose functions are all known. */
function wellTold(lane: Lane): number {
  const all = lane.pythonMerged + lane.pythonUnmerged;
  return all > 0 ? (lane.pythonMerged - lane.pythonPartly) / all : 0;
}

function tellLane(profile: Profile, lane: Lane, before: Profile, old: Lane, copy: StackCopy): number {
  const stacks = new Map<string, number>();
  for (const chunk of old.chunks) {
    if (chunk.merged === null) continue;
    for (let row = 0; row < chunk.mergedRows; row++) if (chunk.thread[row] >= 0) stacks.set(keyOf(before, chunk.timeAt(row), chunk.thread[row]), chunk.merged[row]);
  }
  const chunks = lane.chunks.slice();
  const counts = [lane.pythonMerged, lane.pythonUnmerged, lane.pythonPartly];
  let told = 0;
  let samples = 0;
  // Emptied, so that a page that has its rows already gets them anew.
  lane.clear();
  for (const chunk of chunks) {
    for (let row = 0; row < chunk.rows; row++) {
      const now = chunk.merged === null ? chunk.stack[row] : chunk.merged[row];
      const earlier = chunk.thread[row] < 0 ? undefined : stacks.get(keyOf(profile, chunk.timeAt(row), chunk.thread[row]));
      const better = earlier !== undefined && earlier >= 0 && copy.pythonBefore(earlier as StackId) > copy.pythonNow(now);
      lane.push(chunk.timeAt(row), chunk.thread[row], chunk.stack[row], chunk.weight.get(row), chunk.count.get(row), chunk.duration.get(row));
      lane.pushMerged(better ? copy.stack(earlier as StackId) : now, null);
      if (better) told++;
      samples += better ? chunk.count.get(row) : 0;
    }
  }
  // A row that knows more functions than before is no longer one in part, unless it was then.
  [lane.pythonMerged, lane.pythonUnmerged, lane.pythonPartly] = counts;
  lane.pythonPartly = Math.max(Math.min(counts[2], old.pythonPartly), counts[2] - samples);
  return told;
}

function keyOf(profile: Profile, time: number, thread: number): string {
  return `${Math.round(time)} ${profile.threads.tid.get(thread)}`;
}

/** Stacks of one profile in another. */
class StackCopy {
  readonly #to: Profile;
  readonly #from: Profile;
  readonly #stacks = new Map<number, StackId>();
  readonly #frames = new Map<number, FrameId>();
  readonly #now = new Map<number, number>();
  readonly #before = new Map<number, number>();

  constructor(to: Profile, from: Profile) {
    this.#to = to;
    this.#from = from;
  }

  stack(row: StackId): StackId {
    const path: number[] = [];
    let at: number = row;
    while (at >= 0 && !this.#stacks.has(at)) {
      path.push(at);
      at = this.#from.stacks.prefix.get(at);
    }
    let stack = at < 0 ? NO_STACK : this.#stacks.get(at) ?? NO_STACK;
    for (const one of path.reverse()) {
      stack = this.#to.stacks.intern(stack, this.#frame(this.#from.stacks.frame.get(one)));
      this.#stacks.set(one, stack);
    }
    return stack;
  }

  pythonBefore(row: StackId): number {
    return pythonOf(this.#from, row, this.#before);
  }

  pythonNow(row: number): number {
    return pythonOf(this.#to, row, this.#now);
  }

  #frame(row: number): FrameId {
    const known = this.#frames.get(row);
    if (known !== undefined) return known;
    const { functions, frames, strings } = this.#from;
    const fn = frames.functionOf(row as FrameId);
    const mapped = this.#to.functions.intern({ name: functions.nameOf(fn), file: functions.fileOf(fn), library: functions.libraryOf(fn), kind: functions.kindOf(fn), flags: functions.flags.get(fn) });
    const address = frames.address.get(row);
    let frame = address < 0 ? this.#to.frames.source(mapped, frames.line.get(row))
      : this.#to.frames.native(this.#to.strings.intern(strings.values[frames.library.get(row)]), address, FRAME_RULES[frames.rule.get(row)], mapped);
    if (this.#to.frames.functionOf(frame) !== mapped && functions.kindOf(fn) === 'python') frame = this.#to.frames.source(mapped, frames.line.get(row));
    this.#frames.set(row, frame);
    return frame;
  }
}

/** Python functions of a stack. */
function pythonOf(profile: Profile, row: number, known: Map<number, number>): number {
  if (row < 0) return 0;
  const before = known.get(row);
  if (before !== undefined) return before;
  let count = 0;
  for (let at = row; at >= 0; at = profile.stacks.prefix.get(at)) {
    if (profile.functions.kindOf(profile.frames.functionOf(profile.stacks.frame.get(at) as FrameId)) === 'python') count++;
  }
  known.set(row, count);
  return count;
}
