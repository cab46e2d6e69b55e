// Events of a recording: perf_event_attr, and from it where each field of the event's samples lies.
import { CPUMODE_KERNEL, MISC_CPUMODE, SAMPLE, TYPE_HARDWARE, TYPE_SOFTWARE, TYPE_TRACEPOINT, eventName, u64 } from './layout.ts';
import { slackOf } from './shape.ts';

const FLAG_FREQ = 1 << 10;
const FLAG_SAMPLE_ID_ALL = 1 << 18;
const FLAG_COMM_EXEC = 1 << 24;
const FLAG_CONTEXT_SWITCH = 1 << 26;
const BRANCH_HW_INDEX = 1 << 17;
const BRANCH_COUNTERS = 1 << 19;

/** Order of registers in perf's x86-64 mask (arch/x86/include/uapi/asm/perf_regs.h). */
const X86 = { bx: 1, bp: 6, sp: 7, ip: 8, r12: 20, r13: 21, r14: 22, r15: 23 } as const;

/**
 * What a sample of an event says about the program. `switch` is a thread leaving its CPU; `growth` the begin or end of a system
 * call that gets or gives back memory; `nothing` is perf's dummy.
 */
export type EventRole = 'cpu' | 'faults' | 'switch' | 'growth' | 'other' | 'nothing';

/** System calls that get or give back memory. The raw tracepoints tell of them all, by number. perf adds a `u` where it may not see the kernel. */
const GROWTH = /^(?:syscalls:sys_(?:enter|exit)_(?:mmap|munmap|brk|mremap)|raw_syscalls:sys_(?:enter|exit))u?\b/;

/**
 * One event: its attr and where the fields of its records lie. Offsets are from the start of a record (header included),
 * or, for records that are not samples, from its end; -1 where the field is absent.
 */
export class PerfEvent {
  readonly type: number;
  /** Low 32 bits of attr.config: a hybrid CPU puts the kind of core above them. */
  readonly config: number;
  readonly sampleType: number;
  readonly readFormat: number;
  /** Samples a second asked for, or 0 where a fixed period was. */
  readonly frequency: number;
  /** The fixed period, or 0. */
  readonly period: number;
  readonly sampleIdAll: boolean;
  readonly contextSwitch: boolean;
  /** COMM says whether it comes from an exec (Linux 3.16). */
  readonly commExec: boolean;
  readonly branchHwIndex: boolean;
  readonly branchCounters: boolean;
  readonly registers: number;
  /** Bytes of stack that are copied with each sample. */
  readonly stackBytes: number;
  readonly ids: readonly number[];

  readonly idAt: number;
  readonly ipAt: number;
  readonly tidAt: number;
  readonly timeAt: number;
  readonly cpuAt: number;
  readonly periodAt: number;
  /** Where the part of variable length (READ, CALLCHAIN, ...) begins: the least size of a sample. */
  readonly fixedEnd: number;
  readonly tidFromEnd: number;
  readonly timeFromEnd: number;
  readonly cpuFromEnd: number;
  readonly idFromEnd: number;
  readonly trailer: number;

  readonly regBx: number;
  readonly regBp: number;
  readonly regSp: number;
  readonly regIp: number;
  readonly regR12: number;
  readonly regR13: number;
  readonly regR14: number;
  readonly regR15: number;
  readonly registerBytes: number;

  /** As the recording calls it; '' until it does. */
  givenName = '';

  /** Parses `size` bytes of attr at `at`. Fields that an older perf did not write read as zero. */
  constructor(view: DataView, at: number, size: number, ids: readonly number[]) {
    const word = (offset: number) => (offset + 4 <= size ? view.getUint32(at + offset, true) : 0);
    const long = (offset: number) => (offset + 8 <= size ? u64(view, at + offset) : 0);
    this.type = word(0);
    this.config = word(8);
    const flags = word(40);
    const rate = long(16);
    this.frequency = (flags & FLAG_FREQ) !== 0 ? rate : 0;
    this.period = (flags & FLAG_FREQ) !== 0 ? 0 : rate;
    this.sampleType = word(24);
    this.readFormat = word(32);
    this.sampleIdAll = (flags & FLAG_SAMPLE_ID_ALL) !== 0;
    this.contextSwitch = (flags & FLAG_CONTEXT_SWITCH) !== 0;
    this.commExec = (flags & FLAG_COMM_EXEC) !== 0;
    this.branchHwIndex = (word(72) & BRANCH_HW_INDEX) !== 0;
    this.branchCounters = (word(72) & BRANCH_COUNTERS) !== 0;
    this.ids = ids;

    const bits = this.sampleType;
    let next = 8;
    const field = (bit: number) => ((bits & bit) !== 0 ? (next += 8) - 8 : -1);
    const identifier = field(SAMPLE.IDENTIFIER);
    this.ipAt = field(SAMPLE.IP);
    this.tidAt = field(SAMPLE.TID);
    this.timeAt = field(SAMPLE.TIME);
    field(SAMPLE.ADDR);
    const id = field(SAMPLE.ID);
    this.idAt = identifier >= 0 ? identifier : id;
    field(SAMPLE.STREAM_ID);
    this.cpuAt = field(SAMPLE.CPU);
    this.periodAt = field(SAMPLE.PERIOD);
    this.fixedEnd = next;

    let back = 0;
    const fromEnd = (bit: number) => ((bits & bit) !== 0 && this.sampleIdAll ? (back += 8) : -1);
    const lastId = fromEnd(SAMPLE.IDENTIFIER);
    this.cpuFromEnd = fromEnd(SAMPLE.CPU);
    fromEnd(SAMPLE.STREAM_ID);
    const innerId = fromEnd(SAMPLE.ID);
    this.idFromEnd = lastId >= 0 ? lastId : innerId;
    this.timeFromEnd = fromEnd(SAMPLE.TIME);
    this.tidFromEnd = fromEnd(SAMPLE.TID);
    this.trailer = back;

    this.stackBytes = word(88);
    const low = word(80);
    const high = word(84);
    this.registers = low;
    const offset = (bit: number) => ((low & (1 << bit)) !== 0 ? bitsIn(low & ((1 << bit) - 1)) * 8 : -1);
    this.regBx = offset(X86.bx);
    this.regBp = offset(X86.bp);
    this.regSp = offset(X86.sp);
    this.regIp = offset(X86.ip);
    this.regR12 = offset(X86.r12);
    this.regR13 = offset(X86.r13);
    this.regR14 = offset(X86.r14);
    this.regR15 = offset(X86.r15);
    this.registerBytes = (bitsIn(low) + bitsIn(high)) * 8;
  }

  /**
   * The name for people: `cpu-clock`, `cycles:u`, `sched:sched_switch`. perf repeats the terms it was given
   * (`cpu-clock/freq=99,call-graph=dwarf/u`); they say nothing about what was counted and are cut.
   */
  get name(): string {
    const known = eventName(this.type, this.config);
    if (this.givenName === '') return known === '' ? `event ${this.type}:${this.config}` : known;
    if (known !== '' && this.givenName.startsWith(`${known}/`)) {
      const modifiers = this.givenName.slice(this.givenName.lastIndexOf('/') + 1);
      return modifiers === '' ? known : `${known}:${modifiers}`;
    }
    return this.givenName;
  }

  get role(): EventRole {
    if (this.type === TYPE_SOFTWARE) {
      switch (this.config) {
        case 0: case 1: return 'cpu';
        case 2: case 5: case 6: return 'faults';
        case 3: return 'switch';
        case 9: return 'nothing';
        default: return 'other';
      }
    }
    if (this.type === TYPE_HARDWARE) return this.config === 0 || this.config === 9 ? 'cpu' : 'other';
    if (this.givenName.startsWith('sched:sched_switch')) return 'switch';
    if (this.type === TYPE_TRACEPOINT && GROWTH.test(this.givenName)) return 'growth';
    return /(^|\/)(cpu-)?cycles\b/.test(this.givenName) ? 'cpu' : 'other';
  }

  /** True where code of the kernel raises it, not a timer or a counter: tracepoints, context switches, faults. */
  get raised(): boolean {
    return this.type === TYPE_TRACEPOINT || (this.type === TYPE_SOFTWARE && this.config > 1 && this.config !== 9);
  }

  /** True where the period counts nanoseconds: cpu-clock and task-clock. */
  get countsTime(): boolean {
    return this.type === TYPE_SOFTWARE && this.config <= 1;
  }
}

function bitsIn(value: number): number {
  let count = 0;
  for (let left = value; left !== 0; left &= left - 1) count++;
  return count;
}

/** Size that an attr says of itself; 0 in the oldest files means the first version, 64 bytes. */
export function attrSize(view: DataView, at: number): number {
  const size = view.getUint32(at + 4, true);
  return size === 0 ? 64 : size;
}

/** All events of one stream, and which of them a record belongs to. */
export class EventList {
  readonly events: PerfEvent[] = [];
  /** Events of other perfs that look at the same threads: the kernel may write their ids into our samples. */
  others: () => Iterable<EventList> = () => [];
  #byId = new Map<number, number>();
  /** Ids of other perfs that were found out. */
  #foreign = new Map<number, number>();

  add(event: PerfEvent): void {
    const index = this.events.push(event) - 1;
    for (const id of event.ids) this.#byId.set(id, index);
    this.#foreign.clear();
  }

  /** Index of the event with this id, -1 where no attr named it. */
  indexOf(id: number): number {
    return this.#byId.get(id) ?? -1;
  }

  /** Name that came apart from the attr (EVENT_UPDATE): by any of its ids. */
  rename(id: number, name: string): void {
    const index = this.indexOf(id);
    if (index >= 0) this.events[index].givenName = name;
  }

  /**
   * Index of a sample's event, -1 where it cannot be told. perf gives all events the same place for their id, so the
   * first event says where it is; a stream of one event has none. While two perfs look at one thread, Linux (6.2 and later)
   * fills in the id once for all events that one switch, fault or tracepoint raises, so that a perf's samples carry the other's:
   * an unknown id is looked up there.
   */
  ofSample(view: DataView, at: number, size: number): number {
    if (this.events.length <= 1) return this.events.length - 1;
    const place = this.events[0].idAt;
    if (place < 0) return 0;
    if (place + 8 > size) return -1;
    const id = u64(view, at + place);
    return this.#byId.get(id) ?? this.#foreign.get(id) ?? this.#ofForeign(id, view, at, size);
  }

  /** As `ofSample` for the kernel's other records: the id is in the trailer. Records of perf itself carry id 0: the first event. */
  ofOther(view: DataView, at: number, size: number): number {
    if (this.events.length <= 1) return this.events.length - 1;
    const place = this.events[0].idFromEnd;
    if (place < 0 || place + 8 > size) return 0;
    const index = this.indexOf(u64(view, at + size - place));
    return index < 0 ? 0 : index;
  }

  #ofForeign(id: number, view: DataView, at: number, size: number): number {
    for (const other of this.others()) {
      const event = other.events[other.indexOf(id)];
      if (event === undefined) continue;
      const index = this.events.findIndex((own) => own.raised && own.type === event.type && own.config === event.config);
      // An event that we have none of cannot have raised a sample of ours.
      if (index < 0) continue;
      this.#foreign.set(id, index);
      return index;
    }
    const index = this.#byShape(view, at, size);
    // Ids are the kernel's, each of one event only.
    if (index >= 0) this.#foreign.set(id, index);
    return index;
  }

  /** Of a perf that we know nothing of: the one event that fits the sample's fields best; -1 where two fit as well. */
  #byShape(view: DataView, at: number, size: number): number {
    const raised = this.events.map((_, index) => index).filter((index) => this.events[index].raised);
    if (raised.length <= 1) return raised[0] ?? -1;
    const kernel = (view.getUint16(at + 4, true) & MISC_CPUMODE) === CPUMODE_KERNEL;
    let best = -1;
    let least = Infinity;
    for (const index of raised) {
      const event = this.events[index];
      // A thread leaves its CPU inside the kernel.
      if (event.role === 'switch' && !kernel) continue;
      const slack = slackOf(view, at, size, event);
      if (slack < 0 || slack > least) continue;
      best = slack === least ? -1 : index;
      least = slack;
    }
    return best;
  }
}
