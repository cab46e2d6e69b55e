// Sample rows: which lane, which weight. On-CPU time is exact where the recording has switch records.
import type { StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane, LaneFacts } from '#core/model/lane';
import type { NativeSources } from '#core/native/sources';
import type { EventList, PerfEvent } from './attributes.ts';
import type { Block } from './framer.ts';
import { growthEvent, Growth } from './growth.ts';
import { MISC_SWITCH_OUT, MISC_SWITCH_OUT_PREEMPT, SAMPLE, u64 } from './layout.ts';
import { BEFORE_OUT, BLOCKED, NOT_OUT, OffCpu, WAS_PREEMPTED, WAS_STOPPED, WITHOUT_STACKS } from './off-cpu.ts';
import { rawAt } from './shape.ts';
import { StackReader } from './stacks.ts';
import type { ThreadClock } from './switches.ts';
import type { PerfShared, PerfThread } from './threads.ts';

export interface EventTotals {
  readonly name: string;
  samples: number;
  /** Sum of the periods: what `perf report` shares out. */
  period: number;
}

interface SampleOptions {
  readonly live: boolean;
  readonly source: string;
  readonly rateHz: number;
  readonly sources: NativeSources;
  /** As in PerfOptions. */
  readonly offCpu?: string;
  readonly faults?: string;
  readonly memory?: string;
}

/** Of prev_state in sched_switch: stopped or traced. */
const STATE_STOPPED = 0x0c;
/** Where sched_switch's raw data has prev_state; its fields stand where they are since Linux 2.6.32. */
const PREV_STATE_AT = 32;

/** config of the event that counts page faults of all kinds. */
const PAGE_FAULTS = 2;

/** How the weight of an event's rows is found. */
type Weighing = 'exact' | 'period' | 'rate';

interface Target {
  readonly lane: Lane | null;
  readonly weighing: Weighing;
  readonly totals: EventTotals;
  /** Period of samples that do not say theirs. */
  readonly period: number;
  /** Which system call it tells of. */
  readonly call: ReturnType<typeof growthEvent>;
}

export class SampleWriter {
  readonly stacks: StackReader;
  readonly totals: EventTotals[] = [];
  /** Samples of context switches without records of the way back: no interval can be made of them. */
  switchSamples = 0;
  #shared: PerfShared;
  #events: EventList;
  #options: SampleOptions;
  #targets: (Target | undefined)[] = [];
  /** The kind of event that exact time is shared out to; hybrid CPUs have one such event for each kind of core. */
  #exactEvent: PerfEvent | null = null;
  /** Since when threads are watched that were there before: the first moment that a record tells of. */
  #attachedAt = NaN;

  constructor(shared: PerfShared, events: EventList, options: SampleOptions) {
    this.#shared = shared;
    this.#events = events;
    this.#options = options;
    this.stacks = new StackReader(shared);
  }

  /** True where switch records make on-CPU time exact. */
  get exact(): boolean {
    const { events } = this.#events;
    for (let i = 0; i < events.length; i++) if (events[i].contextSwitch) return true;
    return false;
  }

  /** One sample at a time of the profile. False when it could not be read. */
  write(block: Block, at: number, index: number, time: number): boolean {
    const view = block.view;
    const event = this.#events.events[index];
    const target = this.#targets[index] ?? this.#open(event, index);
    const period = event.periodAt >= 0 ? u64(view, at + event.periodAt) : target.period;
    let pid = -1;
    let tid = -1;
    if (event.tidAt >= 0) {
      pid = view.getInt32(at + event.tidAt, true);
      tid = view.getInt32(at + event.tidAt + 4, true);
    }
    this.#begin(time);
    const lane = target.lane;
    if (lane === null) {
      if (event.role === 'switch') {
        if (this.#shared.offCpu === null) this.switchSamples++;
        else if (!this.#leave(block, at, event, pid, tid, time)) return false;
      } else if (target.call !== null && !this.#grow(block, at, event, target.call, pid, tid, time)) return false;
      target.totals.samples++;
      target.totals.period += period;
      return true;
    }
    const thread = this.#shared.thread(pid, tid);
    const stack = this.stacks.read(block, at, event, pid, tid);
    if (!this.stacks.fits) return false;
    target.totals.samples++;
    target.totals.period += period;
    lane.push(time, thread.row, stack, this.#weight(target, thread, time, stack, period), 1);
    return true;
  }

  /** A SWITCH record: misc says whether the thread of its trailer left the CPU, and whether it could have run on. */
  switch(view: DataView, at: number, event: PerfEvent, time: number): void {
    if (event.tidFromEnd < 0) return;
    const size = view.getUint16(at + 6, true);
    if (size < 8 + event.trailer) return;
    const place = at + size - event.tidFromEnd;
    const tid = view.getInt32(place + 4, true);
    if (tid <= 0) return;
    this.#begin(time);
    const thread = this.#shared.thread(view.getInt32(place, true), tid);
    const clock = this.#clock(thread);
    // Threads may end before any sample: their time needs the lane all the same.
    if (this.#shared.exactLane === null) this.#openExact();
    const misc = view.getUint16(at + 4, true);
    const broken = clock.broken;
    if ((misc & MISC_SWITCH_OUT) !== 0) {
      const preempted = (misc & MISC_SWITCH_OUT_PREEMPT) !== 0;
      clock.switchOut(time, preempted);
      thread.out = thread.switchStack;
      thread.outHow = preempted ? WAS_PREEMPTED : thread.switchHow;
    } else {
      clock.switchIn(time);
      thread.out = NOT_OUT;
    }
    thread.switchStack = NO_STACK;
    thread.switchHow = BLOCKED;
    if (clock.broken > broken) this.#shared.offCpu?.broken();
    this.#shared.change(thread);
  }

  /** The sample of a switch: the stack that leaves. The SWITCH record comes just behind it, or, at an equal time, before it. */
  #leave(block: Block, at: number, event: PerfEvent, pid: number, tid: number, time: number): boolean {
    if (tid <= 0) return true;
    const stack = this.stacks.read(block, at, event, pid, tid);
    if (!this.stacks.fits) return false;
    const thread = this.#shared.thread(pid, tid);
    const rawAt = this.stacks.rawAt;
    const how = rawAt >= 0 && this.stacks.rawSize >= PREV_STATE_AT + 4 && (block.view.getUint32(rawAt + PREV_STATE_AT, true) & STATE_STOPPED) !== 0 ? WAS_STOPPED : BLOCKED;
    const clock = thread.clock;
    if (thread.out === NO_STACK && clock !== null && clock.since === time) {
      thread.out = stack;
      if (thread.outHow === BLOCKED) thread.outHow = how;
      return true;
    }
    thread.switchStack = stack;
    thread.switchHow = how;
    return true;
  }

  /** A system call that gets or gives back memory begins or has ended. */
  #grow(block: Block, at: number, event: PerfEvent, { call, enter }: NonNullable<Target['call']>, pid: number, tid: number, time: number): boolean {
    const { growth } = this.#shared;
    const { view } = block;
    const raw = rawAt(view, at, view.getUint16(at + 6, true), event);
    if (raw < 0) return false;
    if (growth === null || tid <= 0) return true;
    const size = view.getUint32(raw - 4, true);
    if (enter) growth.enter(call, view, raw, size, pid, tid, time);
    else growth.exit(call, view, raw, size, pid, tid, this.#shared.thread(pid, tid).row, time, () => this.stacks.read(block, at, event, pid, tid));
    return true;
  }

  /** The recording ended: closes every clock. */
  finishThreads(time: number): void {
    if (!this.exact) return;
    const { offCpu, profile } = this.#shared;
    for (const thread of this.#shared.threads.values()) {
      if (thread.tid > 0 && this.#shared.attached.has(thread.tid)) this.#clock(thread);
      // Where all sleep there is no last record: who waits, waits to the end of the recording.
      const waits = offCpu !== null && (thread.clock?.state === 'blocked' || (thread.clock?.state === 'unknown' && thread.out === BEFORE_OUT));
      this.#shared.finish(thread, waits ? Math.max(time, profile.info.durationNs) : time, false);
    }
    offCpu?.finish();
  }

  /** Events that never fired have a lane too, so that a file says what it looked for. */
  finish(): void {
    this.#events.events.forEach((event, index) => {
      if (event.role !== 'nothing' && this.#targets[index] === undefined) this.#open(event, index);
    });
  }

  #weight(target: Target, thread: PerfThread, time: number, stack: StackId, period: number): number {
    switch (target.weighing) {
      case 'exact': {
        if (thread.tid <= 0) return target.period;
        thread.lastStack = stack;
        thread.sampled = stack !== NO_STACK;
        this.#shared.change(thread);
        return this.#clock(thread).sample(time);
      }
      case 'rate': return target.period;
      case 'period': return period;
    }
  }

  #begin(time: number): void {
    if (this.#attachedAt === this.#attachedAt) return;
    this.#attachedAt = time;
    const { events } = this.#events;
    this.#shared.gates.stream(events.some((event) => event.role === 'cpu'), this.#options.offCpu !== undefined || events.some((event) => event.role === 'switch'), time);
    this.#openOffCpu();
    if (this.#options.memory !== undefined && this.#shared.growth === null && events.some((event) => event.role === 'growth')) {
      this.#shared.growth = new Growth(this.#shared.profile, this.#options.memory);
    }
    if (this.#shared.growth !== null) this.#findHeaps(this.#shared.growth);
    const { attached } = this.#shared;
    for (const [tid, since] of attached) {
      if (since === since) continue;
      attached.set(tid, time);
      const thread = this.#shared.threads.get(tid);
      if (this.exact && tid > 0 && thread !== undefined && thread.clock === null) this.#clock(thread);
    }
  }

  // perf lists them only where it copies stacks; and it may have attached a while ago.
  #findHeaps(growth: Growth): void {
    for (const [pid, end] of this.#shared.heaps) growth.heap(pid, end);
    if (!this.#options.live) return;
    for (const pid of this.#shared.processes.keys()) {
      const heap = pid > 0 && !growth.knows(pid) ? /^[0-9a-f]+-([0-9a-f]+) .*\[heap\]$/m.exec(this.#options.sources.maps(pid) ?? '') : null;
      if (heap !== null) growth.heap(pid, parseInt(heap[1], 16));
    }
  }

  #clock(thread: PerfThread): ThreadClock {
    if (thread.clock !== null) return thread.clock;
    // Across a hand-over the first decoder's moment counts.
    const since = this.#shared.attached.get(thread.tid) ?? this.#attachedAt;
    if (this.#shared.attached.has(thread.tid) && thread.out === NOT_OUT) thread.out = BEFORE_OUT;
    return thread.clock = this.#shared.clock(thread, since === since ? since : 0);
  }

  // Before the first record, so that no interval is missed. Samples of switches alone tell no durations.
  #openOffCpu(): void {
    if (this.#shared.offCpu !== null || !this.exact) return;
    const event = this.#events.events.find((one) => one.role === 'switch');
    let source = this.#options.offCpu ?? (event === undefined ? '' : `perf ${event.name}`);
    if (source === '') return;
    // What was planned may have been refused: the stream has no samples of switches.
    if (event === undefined && !source.includes('without stacks')) source = WITHOUT_STACKS;
    this.#openExact();
    this.#shared.offCpu = new OffCpu(this.#shared.profile, event?.name ?? 'switches', source, this.#shared.gates.offCpuGaps);
  }

  #openExact(): void {
    const { events } = this.#events;
    const index = events.findIndex((one) => one.role === 'cpu');
    if (index >= 0 && this.#targets[index] === undefined) this.#open(events[index], index);
  }

  #open(event: PerfEvent, index: number): Target {
    const facts = this.#laneOf(event);
    const totals: EventTotals = { name: event.name, samples: 0, period: 0 };
    const rate = event.frequency > 0 ? event.frequency : this.#options.rateHz;
    const inNs = event.role === 'cpu' && facts?.weighing !== 'period';
    const period = (inNs || event.countsTime) && event.frequency > 0 ? 1e9 / rate : event.period > 0 ? event.period : 1;
    const lane = facts === null ? null : this.#shared.lane(facts.lane);
    if (facts?.weighing === 'exact') {
      this.#exactEvent ??= event;
      this.#shared.exactLane ??= lane;
    }
    const target: Target = { lane, weighing: facts?.weighing ?? 'period', totals, period, call: event.role === 'growth' ? growthEvent(event.givenName) : null };
    this.#targets[index] = target;
    this.totals.push(totals);
    return target;
  }

  #laneOf(event: PerfEvent): { lane: LaneFacts; weighing: Weighing } | null {
    const name = event.name;
    const source = this.#options.source !== '' ? this.#options.source : sourceText(event);
    switch (event.role) {
      case 'nothing': return null;
      // No rows: each is the stack of an interval that the switch records tell.
      case 'switch': return null;
      case 'growth': return this.#options.memory === undefined ? { lane: { kind: 'other', unit: 'count', name, source }, weighing: 'period' } : null;
      case 'faults': {
        const all = event.config === PAGE_FAULTS;
        return { lane: { kind: 'faults', unit: 'count', name: all ? 'page-faults' : name, source: this.#options.faults ?? sourceText(event) }, weighing: 'period' };
      }
      case 'other': return { lane: { kind: 'other', unit: 'count', name, source }, weighing: 'period' };
      case 'cpu': {
        const first = this.#exactEvent;
        const exact = this.exact && (first === null || (first.type === event.type && first.config === event.config));
        if (exact) return { lane: { kind: 'cpu', unit: 'ns', name, source }, weighing: 'exact' };
        if (event.countsTime) return { lane: { kind: 'cpu', unit: 'ns', name, source }, weighing: 'period' };
        if ((this.#options.live || this.exact) && event.frequency > 0) return { lane: { kind: 'cpu', unit: 'ns', name, source }, weighing: 'rate' };
        // Cycles of a file: counted as perf report counts them.
        return { lane: { kind: 'cpu', unit: 'count', name, source }, weighing: 'period' };
      }
    }
  }
}

function sourceText(event: PerfEvent): string {
  const often = event.frequency > 0 ? `${event.frequency} Hz` : `every ${event.period}`;
  const how = (event.sampleType & SAMPLE.STACK_USER) !== 0 ? ', copied stacks' : (event.sampleType & SAMPLE.CALLCHAIN) !== 0 ? ', call chains' : '';
  return `perf ${often}${how}`;
}
