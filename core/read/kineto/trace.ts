// One trace: its events sorted into tables as they come, then joined (gpu/link.ts) into lanes.
import type { StackId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { Int32Column } from '#core/model/column';
import { ANNOTATION, CALL, HostMoments, HostSlices, OP, PYTHON } from '../gpu/host.ts';
import { utilisationTracks } from '../gpu/utilisation.ts';
import type { LinkResult } from '../gpu/link.ts';
import { COPY, GpuOperations, KERNEL, Launches, linkGpu, OTHER_WORK, SET } from '../gpu/link.ts';
import type { TraceEvent, TraceSink } from './event.ts';
import { Flows, forwardSlices, Sequences } from './forward.ts';
import { TraceFrames, stepNumber } from './frames.ts';
import { TraceHeader } from './header.ts';
import { MemoryEvents, memoryLanes } from './memory.ts';
import type { HostThread, TraceRows } from './rows.ts';
import { isPlaced } from './rows.ts';
import { TraceScanner } from './scanner.ts';
import { splitUnplaced } from './unplaced.ts';
import type { CategoryKind } from './words.ts';
import { CATEGORIES } from './words.ts';

/** Times further than this from the first event's are damage, ns: 104 days. */
const FAR = 9e15;
/** Marks of the profiler's own overhead that are shown. */
const MOST_NOTES = 1000;
/** Unknown categories that are told apart. */
const MOST_CATEGORIES = 20;
const KINDS = new Map<string, CategoryKind>(CATEGORIES);

interface Span { readonly start: number; readonly end: number; readonly name: number; readonly thread: number; readonly value: number }

export class KinetoTrace implements TraceSink {
  readonly name: string;
  readonly header = new TraceHeader();
  readonly rows: TraceRows;
  /** Bytes that were read. */
  bytes = 0;
  readonly #profile: Profile;
  readonly #scanner: TraceScanner;
  readonly #frames: TraceFrames;
  readonly #slices = new HostSlices();
  readonly #moments = new HostMoments();
  readonly #operations = new GpuOperations();
  readonly #launches = new Launches();
  readonly #sequences = new Sequences();
  readonly #flows = new Flows();
  readonly #memory = new MemoryEvents();
  readonly #stackSlice = new Int32Column();
  readonly #stackText = new Int32Column();
  readonly #threads: HostThread[] = [];
  readonly #threadNumbers = new Map<number, number>();
  readonly #slicesOfPid = new Map<string, number>();
  readonly #steps: Span[] = [];
  readonly #windows: Span[] = [];
  readonly #notes: Span[] = [];
  readonly #errors: Span[] = [];
  /** By row of the scanner's categories. */
  readonly #kinds: (CategoryKind | undefined)[] = [];
  readonly #pids: string[] = [];
  /** Microseconds of the first event: all times are ns after it, so that they are exact. NaN = none came. */
  #origin = NaN;
  #first = Infinity;
  #last = -Infinity;
  /** Every time is whole microseconds: ends were rounded. */
  #rounded = true;
  #memoryName = -2;
  readonly #unknownCategories = new Set<string>();
  #hasPython = false;

  constructor(profile: Profile, name: string, rows: TraceRows) {
    this.#profile = profile;
    this.name = name;
    this.rows = rows;
    this.#scanner = new TraceScanner(this);
    this.#frames = new TraceFrames(profile, (id) => this.#scanner.textOf(this.#scanner.names, id));
  }

  push(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    this.#scanner.push(chunk);
  }

  /** No more bytes: counts what was damaged. */
  endOfBytes(): void {
    const profile = this.#profile;
    const { cutEvent, cutList } = this.#scanner.end();
    if (cutEvent) profile.skip('event that breaks off at the end');
    if (cutList) profile.skip('missing end of the event list (kept as it is)');
    if (this.#scanner.damaged > 0) {
      profile.skip('damaged places in the JSON (read on at the next event)', this.#scanner.damaged);
      profile.info.notes.push(`${this.name} is damaged at byte ${this.#scanner.places.join(', ')}${this.#scanner.damaged > this.#scanner.places.length ? ' and later' : ''} of its text: events there are left out.`);
    }
    if (this.#scanner.dropped > 0) profile.skip('names that found no room (shown as [unnamed])', this.#scanner.dropped);
  }

  /** Events that were read. */
  get events(): number {
    return this.#scanner.events;
  }

  /** Intervals, operations and memory events that are ours to show. */
  get kept(): number {
    return this.#slices.length + this.#operations.length + this.#memory.length;
  }

  /** Wall-clock ns of the earliest event; null where there is none. */
  get begins(): bigint | null {
    if (!Number.isFinite(this.#first)) return null;
    return this.#absolute() + BigInt(Math.floor(this.#first));
  }

  /** First and last moment, ns after `origin`. */
  span(origin: bigint): { readonly start: number; readonly end: number } {
    const shift = Number(this.#absolute() - origin);
    return { start: this.#first + shift, end: this.#last + shift };
  }

  #absolute(): bigint {
    return this.header.base + BigInt(Math.floor(this.#origin)) * 1000n;
  }

  headerValue(key: string, text: string): void {
    this.header.take(key, text);
  }

  event(event: TraceEvent): void {
    const phase = event.phase;
    if (phase === 0x58) this.#complete(event);
    else if (phase === 0x69 || phase === 0x49) this.#instant(event);
    else if (phase === 0x4d) this.#metadata(event);
    else if (phase === 0x73 || phase === 0x66 || phase === 0x74) this.#flow(event);
    else if (phase === 0) this.#profile.skip('events without a phase');
    else if (phase === 0x43) this.#profile.skip('hardware counters (not shown)');
    else this.#profile.skip(`events of phase "${String.fromCharCode(phase)}" (no intervals)`);
  }

  #kindOf(category: number): CategoryKind {
    if (category < 0) return 'other';
    return (this.#kinds[category] ??= KINDS.get(this.#scanner.textOf(this.#scanner.categories, category)) ?? 'other');
  }

  /** ns after the first event, NaN where there is no time or a wild one. */
  #time(event: TraceEvent): number {
    if (!(Math.abs(event.micros) < FAR)) return NaN;
    if (Number.isNaN(this.#origin)) this.#origin = event.micros;
    const time = (event.micros - this.#origin) * 1000 + event.nanos;
    if (event.nanos !== 0) this.#rounded = false;
    return Math.abs(time) > FAR ? NaN : time;
  }

  #reach(time: number, duration: number): void {
    if (time < this.#first) this.#first = time;
    if (time + duration > this.#last) this.#last = time + duration;
  }

  #pid(event: TraceEvent): string {
    if (event.pid < 0) return '';
    return (this.#pids[event.pid] ??= this.#scanner.textOf(this.#scanner.ids, event.pid));
  }

  #thread(event: TraceEvent): number {
    const key = (event.pid + 1) * 0x100_0000 + event.tid + 1;
    let number = this.#threadNumbers.get(key);
    if (number === undefined) {
      number = this.#threads.push({ pid: this.#pid(event), tid: this.#scanner.textOf(this.#scanner.ids, event.tid) }) - 1;
      this.#threadNumbers.set(key, number);
    }
    return number;
  }

  #complete(event: TraceEvent): void {
    const kind = this.#kindOf(event.category);
    const time = this.#time(event);
    if (Number.isNaN(time)) return this.#profile.skip('events without a time of the trace');
    const { duration } = event;
    if (duration < 0 || duration > FAR) return this.#profile.skip('events without a length');
    if (duration % 1000 !== 0) this.#rounded = false;
    switch (kind) {
      case 'op': case 'python': case 'annotation': case 'launch': case 'driver':
        return this.#slice(event, kind, time);
      case 'kernel': case 'copy': case 'set':
        return this.#operation(event, kind, time);
      case 'overhead':
        if (this.#notes.length < MOST_NOTES) this.#notes.push({ start: time, end: time + duration, name: event.name, thread: -1, value: 0 });
        else this.#profile.skip('marks of the profiler\'s own overhead (beyond 1000)');
        return;
      case 'window':
        this.#windows.push({ start: time, end: time + duration, name: event.name, thread: -1, value: 0 });
        return;
      case 'known': return;
      case 'memory': case 'forward': case 'other':
        // Other accelerators have names of their own: work has a device and a stream, everything else is the host's.
        if (!Number.isNaN(event.stream) && !Number.isNaN(event.device) && event.correlation >= 0) return this.#operation(event, 'kernel', time, true);
        if (isPlaced(this.#pid(event))) return this.#slice(event, event.correlation >= 0 ? 'launch' : 'op', time);
        this.#unknown(this.#scanner.textOf(this.#scanner.categories, event.category).slice(0, 40));
    }
  }

  #unknown(category: string): void {
    if (this.#unknownCategories.size < MOST_CATEGORIES) this.#unknownCategories.add(category);
    this.#profile.skip(this.#unknownCategories.has(category) ? `events of category "${category}" (not known)` : 'events of further categories (not known)');
  }

  #slice(event: TraceEvent, kind: 'op' | 'python' | 'annotation' | 'launch' | 'driver', time: number): void {
    const thread = this.#thread(event);
    const { duration } = event;
    this.#reach(time, duration);
    const pid = this.#threads[thread].pid;
    this.#slicesOfPid.set(pid, (this.#slicesOfPid.get(pid) ?? 0) + 1);
    let slice: number;
    switch (kind) {
      case 'python':
        this.#hasPython = true;
        this.#slices.push(thread, time, duration, this.#frames.frame('python', event.name), PYTHON, event.pythonId, event.pythonParent);
        return;
      case 'op':
        slice = this.#slices.push(thread, time, duration, this.#frames.frame('op', event.name), OP, event.external, -1);
        if (event.sequence >= 0) this.#sequences.push(slice, event.sequence, event.forwardThread);
        if (event.callStack >= 0) {
          this.#stackSlice.push(slice);
          this.#stackText.push(event.callStack);
        }
        return;
      case 'annotation': {
        this.#slices.push(thread, time, duration, this.#frames.frame('annotation', event.name), ANNOTATION, event.external, -1);
        const step = stepNumber(this.#scanner.textOf(this.#scanner.names, event.name));
        if (step >= 0) this.#steps.push({ start: time, end: time + duration, name: event.name, thread, value: step });
        return;
      }
      case 'launch': case 'driver':
        slice = this.#slices.push(thread, time, duration, this.#frames.frame(kind === 'launch' ? 'runtime' : 'driver', event.name), CALL, event.correlation, -1);
        if (event.correlation >= 0) this.#launches.push(0, event.correlation, slice, kind === 'launch' ? 0 : 1);
    }
  }

  #operation(event: TraceEvent, kind: 'kernel' | 'copy' | 'set', time: number, other = false): void {
    const operations = this.#operations;
    this.#reach(time, event.duration);
    operations.process.push(0);
    operations.device.push(small(event.device, small(numberOf(this.#pid(event)), 0)));
    operations.stream.push(small(event.stream, small(numberOf(this.#scanner.textOf(this.#scanner.ids, event.tid)), 0)));
    operations.start.push(time);
    operations.duration.push(event.duration);
    operations.correlation.push(event.correlation);
    // Files of 2022 and 2023 have the correlation id there too: that is no operator's.
    operations.external.push(event.external === event.correlation ? -1 : event.external);
    operations.frame.push(this.#frames.frame(kind === 'kernel' ? 'kernel' : 'copy', event.name));
    operations.kind.push(other ? OTHER_WORK : kind === 'kernel' ? KERNEL : kind === 'copy' ? COPY : SET);
    operations.bytes.push(Number.isNaN(event.bytes) ? 0 : Math.max(0, event.bytes));
    // Both are 0 on what is in no graph.
    operations.graph.push(event.graph > 0 ? event.graph : event.graphNode > 0 ? 0 : -1);
  }

  #instant(event: TraceEvent): void {
    if (!Number.isNaN(event.bytes) && this.#isMemory(event.name)) {
      const time = this.#time(event);
      if (Number.isNaN(time)) return this.#profile.skip('events without a time of the trace');
      this.#reach(time, 0);
      const memory = this.#memory;
      const thread = this.#thread(event);
      memory.moment.push(this.#moments.push(thread, time));
      memory.thread.push(thread);
      memory.time.push(time);
      memory.bytes.push(event.bytes);
      memory.address.push(event.address);
      memory.allocated.push(event.allocated);
      memory.reserved.push(event.reserved);
      memory.device.push(event.deviceType >= 1 ? Math.max(0, small(event.device, 0)) : -1);
      memory.order.push(event.order);
      memory.callStack.push(event.callStack);
      return;
    }
    // `Iteration Start`, `Record Window End` say nothing that the windows do not.
    if (this.#kindOf(event.category) !== 'memory') return;
    const time = this.#time(event);
    if (!Number.isNaN(time)) this.#errors.push({ start: time, end: time, name: event.name, thread: this.#thread(event), value: 0 });
  }

  #isMemory(name: number): boolean {
    if (name === this.#memoryName) return true;
    if (this.#memoryName >= 0 || this.#scanner.textOf(this.#scanner.names, name) !== '[memory]') return false;
    this.#memoryName = name;
    return true;
  }

  #flow(event: TraceEvent): void {
    if (this.#kindOf(event.category) !== 'forward' || Number.isNaN(event.flow)) return;
    const time = this.#time(event);
    if (!Number.isNaN(time)) this.#flows.push(event.flow, this.#thread(event), time, event.phase === 0x73);
  }

  #metadata(event: TraceEvent): void {
    if (event.argName < 0) return;
    const name = this.#scanner.textOf(this.#scanner.names, event.name);
    const text = this.#scanner.textOf(this.#scanner.names, event.argName);
    if (name === 'process_name') this.rows.processNames.set(this.#pid(event), text);
    else if (name === 'thread_name') this.rows.threadNames.set(`${this.#pid(event)} ${this.#scanner.textOf(this.#scanner.ids, event.tid)}`, text.trim());
  }

  /** Which process launched: the one with most intervals. */
  #mainPid(): string {
    let best = '';
    let most = 0;
    for (const [pid, count] of this.#slicesOfPid) if (isPlaced(pid) && count > most) [best, most] = [pid, count];
    return best;
  }

  /**
   * Fills the lanes with what has come so far. `origin`: wall-clock ns of time 0. `again`: lanes are emptied first. Of a `part` of
   * a file marks, tracks and memory, which are only added to, wait for the rest; a `window` of a recording has no tracks.
   */
  build(origin: bigint, again: boolean, of: 'part' | 'file' | 'window'): LinkResult {
    const whole = of !== 'part';
    const profile = this.#profile;
    const shift = Number(this.#absolute() - origin);
    const main = this.#mainPid();
    this.rows.rank = this.header.rank(this.name);
    for (const [device, name] of this.header.devices) this.rows.deviceNames.set(device, name);
    if (whole) this.#splitUnplaced();
    const threads = this.#threads.map((thread) => this.rows.thread(thread, main));
    const source = `PyTorch profiler trace${this.header.schema === '' ? '' : `, version ${this.header.schema}`}`;
    const forward = forwardSlices(this.#slices, this.#sequences, this.#flows);
    const result = linkGpu({
      profile, slices: this.#slices, moments: this.#moments, operations: this.#operations, launches: this.#launches, operators: () => this.#operators(), threads,
      tolerance: this.#rounded ? 1000 : 2, continues: forward.of, callers: this.#callers(), gpuThread: (_, device, stream) => this.rows.gpuThread(main, device, stream),
      shift, source, hostLane: { name: 'torch ops', source: 'PyTorch profiler trace: Python functions, operators and CUDA calls, wall-clock time' }, again,
      // Lanes have an order: what is to be read first comes first, also where GPU work stands at the end of the file.
      expectsGpu: !whole && (this.header.devices.size > 0 || !this.header.tellsDevices),
    });
    this.rows.complete();
    if (whole) {
      if (forward.unpaired > 0) profile.skip('forward-backward flows of which one end is not in the trace', forward.unpaired);
      this.#finish(shift, main, threads, source, result, of === 'file');
    }
    if (this.#last > -Infinity) profile.reach(ns(this.#last + shift));
    profile.touch();
    return result;
  }

  /** Threads without a tid of their own: those that overlap get rows of their own. */
  #splitUnplaced(): void {
    for (let number = this.#threads.length - 1; number >= 0; number--) {
      const { pid, tid } = this.#threads[number];
      if (tid === '0') splitUnplaced(this.#slices, number, (n) => this.#threads.push({ pid, tid: `0/${n}` }) - 1);
    }
  }

  #finish(shift: number, main: string, threads: readonly (ReturnType<TraceRows['thread']>)[], source: string, result: LinkResult, tracks: boolean): void {
    const profile = this.#profile;
    if (this.#memory.length > 0) {
      const unknown = memoryLanes({
        profile, events: this.#memory, threads, shift, tracks, process: this.rows.process(main), source: `${source}, memory events`, stackOf: (at) => this.#memoryStack(at),
      });
      if (unknown > 0) profile.info.notes.push(`${unknown} blocks were freed that had been allocated before the trace began.`);
    }
    if (tracks && this.#operations.length > 0) utilisationTracks(profile, this.#operations, this.#last, shift, this.rows.process(main));
    const add = (kind: 'step' | 'window' | 'note' | 'error', spans: readonly Span[]): void => {
      for (const span of [...spans].sort((a, b) => a.start - b.start || b.end - a.end)) {
        profile.marks.add({
          kind, start: ns(Math.max(0, span.start + shift)), end: ns(Math.max(0, span.end + shift)), text: this.#scanner.textOf(this.#scanner.names, span.name), value: span.value,
          ...(span.thread >= 0 ? { thread: threads[span.thread] } : {}),
        });
      }
    };
    add('step', this.#steps);
    add('window', this.#windows);
    add('note', this.#notes);
    add('error', this.#errors);
    const unplaced = result.unlaunched - result.placedByOperator;
    if (unplaced > 0) profile.info.notes.push(`${unplaced} of ${result.operations} GPU operations have no launch record in the trace: they stand under [no launch record].`);
    if (result.placedByOperator > 0) profile.info.notes.push(`${result.placedByOperator} of ${result.operations} GPU operations have no launch record in the trace and were placed by their operator's id.`);
  }

  #memoryStack(at: number): StackId {
    const text = this.#memory.callStack.get(at);
    const stack = this.#moments.stack[this.#memory.moment.get(at)] as StackId;
    if (this.#hasPython || text < 0) return stack >= 0 ? stack : this.#outside();
    return this.#profile.stacks.internAll(this.#frames.callStack(text, this.#scanner.textOf(this.#scanner.texts, text)));
  }

  #outside(): StackId {
    const { stacks, frames, functions } = this.#profile;
    return stacks.intern(NO_STACK, frames.source(functions.intern({ name: '[host outside any operator]', kind: 'marker' })));
  }

  /** Operators by their ids: only wanted where a launch record is missing. */
  #operators(): Launches {
    const found = new Launches();
    for (let slice = 0; slice < this.#slices.length; slice++) {
      if (this.#slices.kind.get(slice) === OP && this.#slices.id.get(slice) >= 0) found.push(0, this.#slices.id.get(slice), slice, 0);
    }
    return found;
  }

  /** Where a trace has no Python functions as events: those of the operators' call stacks. */
  #callers(): ((slice: number) => ReturnType<TraceFrames['callStack']> | null) | null {
    if (this.#hasPython || this.#stackSlice.length === 0) return null;
    const texts = new Int32Array(this.#slices.length).fill(-1);
    for (let i = 0; i < this.#stackSlice.length; i++) texts[this.#stackSlice.get(i)] = this.#stackText.get(i);
    return (slice) => (texts[slice] < 0 ? null : this.#frames.callStack(texts[slice], this.#scanner.textOf(this.#scanner.texts, texts[slice])));
  }
}

function small(value: number, fallback: number): number {
  return Number.isFinite(value) && Math.abs(value) < 0x7fffffff ? Math.trunc(value) : fallback;
}

/** 7 of `7` and `stream 7`. */
function numberOf(text: string): number {
  const match = /(-?\d{1,9})\s*$/.exec(text);
  return match === null ? NaN : Number(match[1]);
}
