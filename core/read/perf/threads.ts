// Processes and threads of a recording as perf's records tell of them, and what two decoders of one recording share.
import { AddressSpaces } from '#core/native/address-space';
import { Unwinder } from '#core/native/unwind';
import { PythonCode } from '../python-code.ts';
import type { NativeSources } from '#core/native/sources';
import type { FrameId, LaneId, ProcessId, StackId, ThreadId } from '#core/model/ids';
import { NO_PROCESS, NO_STACK } from '#core/model/ids';
import type { Lane, LaneFacts } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { LaneGates } from './gates.ts';
import type { Growth } from './growth.ts';
import { BEFORE_OUT, BLOCKED, LOST_OUT, NOT_OUT } from './off-cpu.ts';
import type { OffCpu } from './off-cpu.ts';
import { ThreadClock } from './switches.ts';

/** Threads without a sample are told of above this share of the CPU time, and above this time. */
const MOST_UNSAMPLED_PERCENT = 10;
const LEAST_UNSAMPLED_NS = 100e6;

export class PerfProcess {
  readonly pid: number;
  readonly row: ProcessId;
  named = false;

  constructor(pid: number, row: ProcessId) {
    this.pid = pid;
    this.row = row;
  }
}

export class PerfThread {
  readonly process: PerfProcess;
  readonly tid: number;
  readonly row: ThreadId;
  name: string;
  /** Null while nothing timed was seen of it, or where there are no switch records. */
  clock: ThreadClock | null = null;
  /** Stack of its last CPU sample: time that no sample fell into later goes there. */
  lastStack: StackId = NO_STACK;
  sampled = false;
  changed = false;
  /** Stack of the sample that was taken as it left the CPU, not yet taken by the SWITCH record behind it. */
  switchStack: StackId = NO_STACK;
  switchHow = BLOCKED;
  /** Off the CPU: the stack that left (NO_STACK where no sample told of it) and how; NOT_OUT while its beginning is not known. */
  out = NOT_OUT;
  outHow = BLOCKED;
  /** What /proc said that it waited in, the last few times that it was asked. */
  channels: { readonly at: number; readonly name: string }[] = [];
  /** False while only samples or switches told of it: its FORK may come late or be lost. */
  told = true;

  constructor(process: PerfProcess, tid: number, row: ThreadId, name: string) {
    this.process = process;
    this.tid = tid;
    this.row = row;
    this.name = name;
  }
}

/** A thread or process that ended and may still have a sample to come. */
interface Leaving {
  readonly pid: number;
  readonly tid: number;
  readonly process: boolean;
  readonly time: number;
}

/** The decoders of one recording, for the order in which they hand on. */
export interface Turn {
  readonly replaces: Turn | null;
  ended: boolean;
  /** Internal clock-free time up to which it handed on, monotonic ns. */
  reached: number;
}

/**
 * What several decoders of one recording have in common: lanes, processes, threads with their switch state, address spaces.
 * A decoder that takes over from another (hand-over) waits with its rows until the other one has ended, so that every thread
 * is told of in the order of time.
 */
export class PerfShared {
  readonly profile: Profile;
  readonly spaces: AddressSpaces;
  readonly unwinder: Unwinder;
  readonly python: PythonCode;
  readonly threads = new Map<number, PerfThread>();
  readonly processes = new Map<number, PerfProcess>();
  readonly decoders: Turn[] = [];
  /** Threads that were attached to, and since when (NaN until the first record): without any record of their own they slept. */
  readonly attached = new Map<number, number>();
  /** The lane that exact time goes to. */
  exactLane: Lane | null = null;
  /** Waiting time, where it is recorded. */
  offCpu: OffCpu | null = null;
  /** Memory from the kernel, where it is recorded. */
  growth: Growth | null = null;
  /** Which lanes are recorded at a moment. */
  readonly gates: LaneGates;
  /** Ends of the heaps of processes, as perf found them when it attached last. */
  readonly heaps = new Map<number, number>();
  #lanes = new Map<string, Lane>();
  #generations = new Map<string, number>();
  #changed: PerfThread[] = [];
  #leaving = new Map<number, Leaving>();
  #tooShort: StackId = NO_STACK;
  /** ns on CPUs of threads that no sample ever fell into, and the note that says so. */
  #unsampledNs = 0;
  #note = '';
  /** Rows that another decoder of this profile (py-spy's) made, until they are taken over: by pid, by process row and tid. */
  #foreignProcesses = new Map<number, ProcessId>();
  #foreignThreads = new Map<string, ThreadId>();
  #processRows = 0;
  #threadRows = 0;

  constructor(profile: Profile, options: { sources: NativeSources; directory: string }) {
    this.profile = profile;
    this.gates = new LaneGates(profile, { cpu: (on, time) => { this.#gateCpu(on, time); }, all: (on, time) => { this.#gateAll(on, time); }, memory: () => { this.growth?.missed(); } });
    this.spaces = new AddressSpaces(profile, options.sources, { directory: options.directory });
    this.python = new PythonCode(profile, options.sources, options.directory);
    this.unwinder = new Unwinder(this.spaces, this.python);
  }

  /** The lane of these facts, made if new. */
  lane(facts: LaneFacts): Lane {
    const key = `${facts.kind} ${facts.unit} ${facts.name}`;
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const id: LaneId = this.profile.addLane(facts);
    const lane = this.profile.lanes[id];
    this.#lanes.set(key, lane);
    return lane;
  }

  marker(name: string): FrameId {
    return this.profile.frames.source(this.profile.functions.intern({ name, kind: 'marker' }));
  }

  /** The thread, made if nothing told of it before. */
  thread(pid: number, tid: number): PerfThread {
    const known = this.threads.get(tid);
    if (known !== undefined && known.process.pid === pid) return known;
    const thread = this.#addThread(this.process(pid), tid, tid === 0 ? 'swapper' : `:${tid}`);
    thread.told = false;
    return thread;
  }

  process(pid: number, parent: ProcessId = NO_PROCESS): PerfProcess {
    return this.processes.get(pid) ?? this.#addProcess(pid, parent, pid === 0 ? 'swapper' : `:${pid}`);
  }

  /**
   * COMM. `time` is null for what perf made up at the start. An exec begins a new generation of the thread; where the kernel
   * was too old to tell (`exec` null), a new name does. `repeated`: another decoder may have told of it already.
   */
  comm(pid: number, tid: number, name: string, exec: boolean | null, time: number | null, repeated = false): void {
    let thread = this.thread(pid, tid);
    if (repeated && thread.told && thread.name === name) return;
    if ((exec ?? (thread.name !== name && thread.name !== `:${tid}`)) && time !== null) {
      const clock = thread.clock;
      this.finish(thread, time);
      thread = this.#addThread(thread.process, tid, name);
      if (clock !== null) {
        thread.clock = this.clock(thread, time);
        thread.clock.switchIn(time);
      }
      if (exec === true) {
        this.spaces.exec(pid);
        this.growth?.exec(pid, time);
      }
      this.unwinder.forget(tid);
    } else if (thread.name !== name) {
      thread.name = name;
      this.profile.threads.rename(thread.row, name);
    }
    thread.told = true;
    if (pid === tid || !thread.process.named) {
      thread.process.named = true;
      if (this.profile.processes.nameOf(thread.process.row) !== name) this.profile.processes.rename(thread.process.row, name);
    }
  }

  /**
   * FORK: a thread, or a process where pid and ppid differ. `exact`: keep its times from `time` on. `repeated`: another
   * decoder may have told of it already.
   */
  fork(pid: number, parentPid: number, tid: number, parentTid: number, time: number | null, exact: boolean, repeated = false): void {
    if (time === null || repeated) {
      if (this.threads.get(tid)?.process.pid === pid) return;
      const parent = pid === parentPid ? NO_PROCESS : this.processes.get(parentPid)?.row ?? NO_PROCESS;
      this.#addThread(this.process(pid, parent), tid, this.threads.get(parentTid)?.name ?? `:${tid}`);
      return;
    }
    const left = this.#leaving.get(tid);
    if (left !== undefined) this.#leave(left);
    const name = this.threads.get(parentTid)?.name ?? `:${tid}`;
    const before = this.threads.get(tid);
    if (before !== undefined && !before.told && before.process.pid === pid) {
      // It was seen before it was told of: a live stream whose rounds stay away is drawn before they are complete.
      before.told = true;
      if (pid !== parentPid) {
        this.spaces.fork(parentPid, pid);
        this.growth?.fork(parentPid, pid);
        this.profile.processes.rename(before.process.row, name);
      }
      before.name = name;
      this.profile.threads.rename(before.row, name);
      return;
    }
    if (before !== undefined) this.finish(before, time);
    let process: PerfProcess;
    if (pid !== parentPid) {
      process = this.#addProcess(pid, this.process(parentPid).row, name);
      this.spaces.fork(parentPid, pid);
      this.growth?.fork(parentPid, pid);
    } else process = this.process(pid);
    const thread = this.#addThread(process, tid, name);
    if (!exact) return;
    thread.clock = this.clock(thread, time);
    thread.clock.created(time);
    this.change(thread);
  }

  /** A clock for a thread that is watched from `from` on; its intervals off the CPU become rows where they are wanted. */
  clock(thread: PerfThread, from: number): ThreadClock {
    return new ThreadClock(from, (state, start, end) => {
      if (state !== 'running') this.offCpu?.ended(thread, state, start, end);
    });
  }

  /** EXIT. What is known of the mappings stays a while: a last sample may come after it. */
  exit(pid: number, tid: number, time: number): void {
    const thread = this.threads.get(tid);
    if (thread !== undefined && thread.process.pid === pid) this.finish(thread, time);
    if (pid === tid) this.growth?.exited(pid, time);
    this.#leaving.set(tid, { pid, tid, process: pid === tid, time });
  }

  /** Ends a thread's clock; what no sample took becomes a row. */
  finish(thread: PerfThread, time: number, gone = true): void {
    const clock = thread.clock;
    if (clock === null) return;
    if (gone && clock.state === 'blocked' && thread.out !== NOT_OUT && this.offCpu !== null) {
      // It ended on a CPU, so it had come back: when, was lost.
      this.offCpu.broken();
      thread.out = LOST_OUT;
    }
    // It ended, so it ran: what it did before is not known.
    if (gone && clock.state === 'unknown' && thread.out === BEFORE_OUT) thread.out = NOT_OUT;
    clock.end(time, gone);
    this.restOf(thread, time);
    this.change(thread);
  }

  /** Time on the CPU that no sample fell into: to the last stack seen, else to a box that says so. Times of the profile. */
  restOf(thread: PerfThread, time: number): void {
    // Of a time that is not recorded.
    if (!this.gates.cpu) thread.clock?.takePending();
    else this.#writeRest(thread, time);
  }

  #writeRest(thread: PerfThread, time: number): void {
    const lane = this.exactLane;
    const clock = thread.clock;
    if (lane === null || clock === null || clock.pending <= 0) return;
    const weight = clock.takePending();
    if (!thread.sampled) this.#unsampledNs += weight;
    lane.push(time, thread.row, thread.sampled ? thread.lastStack : this.#tooShortStack(), weight, 0);
  }

  /** Once a second of the recording: rests of threads that went to sleep long ago, mappings of processes that are gone. */
  sweep(now: number): void {
    for (const thread of this.threads.values()) {
      const clock = thread.clock;
      if (clock === null || clock.pending <= 0 || clock.state === 'running' || now - clock.since < 1e9) continue;
      this.restOf(thread, clock.since);
    }
    for (const left of this.#leaving.values()) if (left.time <= now - 1e9) this.#leave(left);
    this.growth?.sweep(now);
  }

  // What ran until the lane went is its rows'; what ran while it was away is nobody's.
  #gateCpu(on: boolean, time: number): void {
    for (const thread of this.threads.values()) {
      if (thread.clock === null) continue;
      thread.clock.advance(time);
      if (on) thread.clock.takePending();
      else this.#writeRest(thread, Math.max(0, time));
    }
  }

  #gateAll(on: boolean, time: number): void {
    for (const thread of this.threads.values()) {
      if (on) {
        thread.clock?.resume(time);
        if (thread.clock?.state === 'unknown') thread.out = BEFORE_OUT;
      } else {
        thread.clock?.pause(time);
        this.restOf(thread, time);
        thread.out = NOT_OUT;
        thread.switchStack = NO_STACK;
      }
      this.change(thread);
    }
    if (on) this.growth?.missed();
  }

  change(thread: PerfThread): void {
    if (thread.changed) return;
    thread.changed = true;
    this.#changed.push(thread);
  }

  /** Writes the exact times of threads whose clocks moved. */
  writeTimes(): void {
    for (const thread of this.#changed) {
      thread.changed = false;
      const clock = thread.clock;
      if (clock !== null) this.profile.threads.setTimes(thread.row, clock.onCpu, clock.waiting, clock.blocked);
    }
    this.#changed.length = 0;
    this.#tellUnsampled();
  }

  // A sampling clock of a thread's own starts anew with each thread, so that a program of short threads is seen by none.
  #tellUnsampled(): void {
    const lane = this.exactLane;
    if (lane === null || this.#unsampledNs < LEAST_UNSAMPLED_NS) return;
    const percent = Math.round(this.#unsampledNs / lane.total * 100);
    const note = percent <= MOST_UNSAMPLED_PERCENT ? '' :
      `${percent} % of the CPU time was spent in threads too short to sample: they are a box of their own, [too short to sample]. A higher rate sees into them.`;
    if (note === this.#note) return;
    const { info } = this.profile;
    info.notes = [...info.notes.filter((one) => one !== this.#note), ...(note === '' ? [] : [note])];
    this.#note = note;
    this.profile.touch();
  }

  #leave(left: Leaving): void {
    this.#leaving.delete(left.tid);
    this.unwinder.forget(left.tid);
    if (left.process) this.spaces.exit(left.pid);
  }

  #tooShortStack(): StackId {
    if (this.#tooShort === NO_STACK) this.#tooShort = this.profile.stacks.intern(NO_STACK, this.marker('[too short to sample]'));
    return this.#tooShort;
  }

  #addProcess(pid: number, parent: ProcessId, name: string): PerfProcess {
    this.#catchUp();
    const { processes } = this.profile;
    let row = this.#foreignProcesses.get(pid);
    if (row === undefined) {
      row = processes.add({ pid, parent, name });
      this.#processRows = processes.length;
    } else {
      this.#foreignProcesses.delete(pid);
      if (parent !== NO_PROCESS) processes.parent.set(row, parent);
      if (!name.startsWith(':')) processes.rename(row, name);
    }
    const process = new PerfProcess(pid, row);
    this.processes.set(pid, process);
    return process;
  }

  #addThread(process: PerfProcess, tid: number, name: string): PerfThread {
    this.#catchUp();
    const key = `${process.pid} ${tid}`;
    const generation = this.#generations.get(key) ?? 0;
    this.#generations.set(key, generation + 1);
    const foreign = `${process.row}:${tid}`;
    let row = this.#foreignThreads.get(foreign);
    if (row === undefined) {
      row = this.profile.threads.add({ process: process.row, tid, name, generation });
      this.#threadRows = this.profile.threads.length;
    } else {
      // Its name is the interpreter's own, which says more than the kernel's.
      this.#foreignThreads.delete(foreign);
    }
    const thread = new PerfThread(process, tid, row, name);
    this.threads.set(tid, thread);
    return thread;
  }

  #catchUp(): void {
    const { processes, threads } = this.profile;
    for (; this.#processRows < processes.length; this.#processRows++) {
      this.#foreignProcesses.set(processes.pid.get(this.#processRows), this.#processRows as ProcessId);
    }
    for (; this.#threadRows < threads.length; this.#threadRows++) {
      if (threads.tid.get(this.#threadRows) > 0) this.#foreignThreads.set(`${threads.process.get(this.#threadRows)}:${threads.tid.get(this.#threadRows)}`, this.#threadRows as ThreadId);
    }
  }
}
