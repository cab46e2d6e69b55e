import type { FrameId, ProcessId, StackId, ThreadId } from '#core/model/ids';
import { NO_PROCESS, NO_STACK } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { FRAME_RULES } from '#core/model/tables';

/** Adds all samples of `from` to `into`. Lanes of the same kind, name and unit become one; both begin at time 0. */
export function merge(into: Profile, from: Profile): void {
  const frames: FrameId[] = [];
  for (let row = 0; row < from.frames.length; row++) {
    const fn = from.frames.functionOf(row as FrameId);
    const mapped = into.functions.intern({
      name: from.functions.nameOf(fn), file: from.functions.fileOf(fn), library: from.functions.libraryOf(fn),
      kind: from.functions.kindOf(fn), flags: from.functions.flags.get(fn),
    });
    const address = from.frames.address.get(row);
    const line = from.frames.line.get(row);
    if (address < 0) {
      frames.push(into.frames.source(mapped, line));
      continue;
    }
    const library = into.strings.intern(from.strings.values[from.frames.library.get(row)]);
    const frame = into.frames.native(library, address, FRAME_RULES[from.frames.rule.get(row)], mapped);
    // The same address of the same library is another function in another build: then the name tells them apart.
    frames.push(into.frames.functionOf(frame) === mapped ? frame : into.frames.source(mapped, line));
  }
  const stacks: StackId[] = [];
  for (let row = 0; row < from.stacks.length; row++) {
    const caller = from.stacks.prefix.get(row);
    stacks.push(into.stacks.intern(caller < 0 ? NO_STACK : stacks[caller], frames[from.stacks.frame.get(row)]));
  }
  const processes: ProcessId[] = [];
  for (let row = 0; row < from.processes.length; row++) {
    const parent = from.processes.parent.get(row);
    processes.push(into.processes.add({
      pid: from.processes.pid.get(row), start: from.processes.start.get(row), parent: parent >= 0 && parent < row ? processes[parent] : NO_PROCESS,
      name: from.processes.nameOf(row as ProcessId), command: from.strings.values[from.processes.command.get(row)], rank: from.processes.rank.get(row),
    }));
  }
  const threads: ThreadId[] = [];
  for (let row = 0; row < from.threads.length; row++) {
    const process = from.threads.process.get(row);
    threads.push(into.threads.add({
      process: process >= 0 ? processes[process] : NO_PROCESS, tid: from.threads.tid.get(row),
      name: from.threads.nameOf(row as ThreadId), generation: from.threads.generation.get(row),
    }));
  }
  for (const lane of from.lanes) {
    const same = into.lanes.find((one) => one.kind === lane.kind && one.name === lane.name && one.unit === lane.unit && one.intervals === lane.intervals);
    const to = same ?? into.lanes[into.addLane({ kind: lane.kind, unit: lane.unit, name: lane.name, source: lane.source, intervals: lane.intervals })];
    // A column of merged stacks covers the rows of all inputs, or none.
    const derived = lane.mergedRows > 0 || to.mergedRows > 0;
    if (derived) to.fillMerged();
    for (const chunk of lane.chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        const thread = chunk.thread[row];
        const stack = chunk.stack[row];
        to.push(chunk.timeAt(row), thread < 0 ? thread : threads[thread], stack < 0 ? stack : stacks[stack], chunk.weight.get(row), chunk.count.get(row), chunk.duration.get(row));
        if (!derived) continue;
        const merged = chunk.merged === null || row >= chunk.mergedRows ? stack : chunk.merged[row];
        to.pushMerged(merged < 0 ? merged : stacks[merged], null);
      }
    }
    to.pythonMerged += lane.pythonMerged;
    to.pythonUnmerged += lane.pythonUnmerged;
    to.pythonPartly += lane.pythonPartly;
  }
  for (const [what, count] of from.skipped) into.skip(what, count);
  into.reach(from.info.durationNs as never);
}
