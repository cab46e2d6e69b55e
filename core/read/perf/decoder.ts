// perf's records as they come: from a FIFO while perf runs, from a pipe-mode file, or from the data section of perf.data.
// Arrival: framing, which event, what time. Rounds bring them into order. In order: threads, mappings, switches, samples.
import { UserError } from '#core/errors';
import { ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Inflater } from '#core/read/format';
import { EventList } from './attributes.ts';
import type { PerfEvent } from './attributes.ts';
import { Framer } from './framer.ts';
import type { Block } from './framer.ts';
import { HeaderReader, readAttrRecord, readEventUpdate, readThreadMap } from './header.ts';
import { FEATURE, LAST_KERNEL_RECORD, LAST_TOOL_RECORD, RECORD, u64 } from './layout.ts';
import { Lost } from './lost.ts';
import { PIPE_HEADER, checkPipeHeader } from './magic.ts';
import type { PerfOptions, PerfStats } from './options.ts';
import { RoundQueue } from './rounds.ts';
import { SampleWriter } from './samples.ts';
import { TaskReader } from './tasks.ts';
import { PerfShared } from './threads.ts';
import type { Turn } from './threads.ts';

/** Records whose round does not end for so long are drawn as they came. */
const ROUND_PATIENCE_MS = 500;
const TIMES_EVERY_MS = 250;
/** How often threads are asked where they wait, some us each. */
const ASKED_EVERY_MS = 40;
const TWO32 = 0x1_0000_0000;
/** A hand-over takes a fraction of a second; records of more than that mean that it hangs. */
const MOST_HELD_BACK = 200_000;

interface HeldRecord {
  readonly block: Block;
  readonly at: number;
  readonly index: number;
  /** As it came: not yet of the profile. */
  readonly time: number;
}

export class PerfDecoder implements ChunkDecoder, Turn {
  readonly stats: PerfStats;
  readonly shared: PerfShared;
  readonly header: HeaderReader;
  readonly events = new EventList();
  readonly replaces: Turn | null;
  ended = false;
  reached = -Infinity;
  #profile: Profile;
  #options: PerfOptions;
  #outer: Framer;
  #inner: Framer | null = null;
  #inflater: Inflater | null = null;
  #queue = new RoundQueue();
  #samples: SampleWriter;
  #tasks: TaskReader;
  #lost: Lost;
  #magic = new Uint8Array(PIPE_HEADER);
  #magicBytes = 0;
  /** Threads of the first THREAD_MAP. */
  #attached = new Set<number>();
  #threadMaps = 0;
  /** High half of the clock at the start: times are counted from there, so that no clock is too large for a double. */
  #high = -1;
  /** Time 0 of the profile on that scale; NaN until known. */
  #zero = NaN;
  #newest = -Infinity;
  #from = -Infinity;
  #until = Infinity;
  #nextSweep = 0;
  #sinceSweep = 0;
  /** Hand-over: FINISHED_INIT came; the seam is known; the other decoder has ended. */
  #ready = false;
  #planned = false;
  #tookTurn = false;
  /** Least time of a record so far. */
  #first = NaN;
  /** Wall time at which records began to wait for the end of their round; 0 when none does. */
  #waitingSinceMs = 0;
  #lastTimesMs = 0;
  #lastMapsMs = 0;
  #lastAskedMs = 0;
  #lostHandled = 0;
  #skipped = new Map<string, number>();
  #switchesTold = 0;
  /** The decoder that takes over from `#until` on, and our records from there: they count if it ends before it took over. */
  #successor: PerfDecoder | null = null;
  #heldBack: HeldRecord[] = [];
  /** Successors that ended before us: what they saw after our end is still to come. */
  #endedBefore: PerfDecoder[] = [];

  constructor(profile: Profile, options: PerfOptions) {
    this.#profile = profile;
    this.#options = options;
    this.shared = options.shared ?? new PerfShared(profile, { sources: options.sources, directory: options.directory });
    this.events.others = () => this.shared.decoders.flatMap((one) => (one instanceof PerfDecoder && one !== this ? [one.events] : []));
    this.header = new HeaderReader(profile, this.events);
    this.#samples = new SampleWriter(this.shared, this.events, options);
    this.#tasks = new TaskReader(this.shared, this.header);
    this.#lost = new Lost();
    this.stats = {
      records: 0, samples: 0, lost: 0, skippedRecords: 0, bytes: 0, rounds: 0, switchSamples: 0, cut: 0, types: new Float64Array(LAST_TOOL_RECORD + 2),
      events: this.#samples.totals, stacks: this.#samples.stacks.stats,
    };
    this.#outer = new Framer(this.#arrive);
    if (options.zeroAt !== null) {
      this.#high = Math.floor(options.zeroAt / TWO32);
      this.#zero = options.zeroAt - this.#high * TWO32;
    }
    this.replaces = options.from === undefined ? null : options.replaces ?? this.shared.decoders.findLast((one) => !one.ended) ?? this.shared.decoders.at(-1) ?? null;
    if (options.zeroAt !== null) this.#setCut();
    this.shared.decoders.push(this);
  }

  /** Time 0 of the profile on the recording's clock, in ns; NaN until known. */
  get zeroNs(): number {
    return this.#zero + this.#high * TWO32;
  }

  /** Rows at or after this time (ns of the profile) are the successor's, if it is still there when this one ends. */
  cutAt(time: number, successor: PerfDecoder): void {
    this.#successor = successor;
    this.#until = Math.min(this.#until, time);
  }

  /** For perf.data files: the header was read apart, what comes is records only. */
  skipHeader(): void {
    this.#magicBytes = PIPE_HEADER;
  }

  push(chunk: Uint8Array): void {
    this.stats.bytes += chunk.length;
    this.shared.gates.look();
    let from = 0;
    if (this.#magicBytes < PIPE_HEADER) {
      from = Math.min(PIPE_HEADER - this.#magicBytes, chunk.length);
      this.#magic.set(chunk.subarray(0, from), this.#magicBytes);
      this.#magicBytes += from;
      if (this.#magicBytes < PIPE_HEADER) return;
      checkPipeHeader(this.#magic, this.#options.context.name);
    }
    this.#outer.push(from === 0 ? chunk : chunk.subarray(from));
    if (this.#options.live && this.#waitingSinceMs === 0 && this.#queue.length > 0) this.#waitingSinceMs = Date.now();
    this.#tell();
  }

  end(): void {
    if (this.ended) return;
    const before = this.replaces;
    if (before instanceof PerfDecoder && this.#holds()) {
      // The take-over failed: the one before goes on as if there had been none. What we saw after its end is told then.
      this.ended = true;
      before.#outlive(this);
    } else {
      if (this.#holds()) this.#takeTurn();
      this.#queue.drain(this.#emit);
      this.ended = true;
      this.stats.cut += this.#heldBack.filter((held) => held.block.view.getUint32(held.at, true) === RECORD.SAMPLE).length;
      this.#heldBack = [];
      for (const one of this.#endedBefore) {
        one.#takeTurn();
        one.#queue.drain(one.#emit);
        one.#tell();
      }
    }
    const cut = this.#outer.waiting + (this.#inner?.waiting ?? 0);
    if (cut > 0) this.#skip('bytes of a perf record that was cut off at the end', cut);
    if (this.#outer.missing > 0) this.#skip('payloads of perf records that were cut off at the end', 1);
    const broken = this.#outer.broken + (this.#inner?.broken ?? 0);
    if (broken > 0) this.#skip('bytes behind a perf record of an impossible size', broken);
    if (!this.shared.decoders.some((one) => !one.ended)) this.#finishThreads();
    this.#samples.finish();
    this.#tell();
    this.shared.writeTimes();
    if (this.stats.bytes === 0) throw new UserError('perf-empty', `${this.#options.context.name}: no bytes of perf came`);
    if (this.#magicBytes < PIPE_HEADER) {
      throw new UserError('perf-header', `${this.#options.context.name}: only ${this.stats.bytes} bytes, a perf stream begins with 16`);
    }
    if (!this.#options.live) while (this.shared.spaces.resolveNames(1000)) { /* a file waits for its names */ }
    this.shared.offCpu?.name();
    if (!this.#options.live) this.shared.offCpu?.settle(true);
  }

  idle(budgetMs: number): boolean {
    const now = Date.now();
    this.shared.gates.look();
    this.#askChannels(now);
    if (this.#options.live && this.#waitingSinceMs > 0 && now - this.#waitingSinceMs > ROUND_PATIENCE_MS && !this.#holds()) {
      this.#waitingSinceMs = 0;
      this.#queue.drain(this.#emit);
      this.#tell();
    }
    if (this.#options.live && this.stats.lost > this.#lostHandled && now - this.#lastMapsMs > 1000) {
      // What was lost may have been a mapping: the processes themselves know.
      this.#lostHandled = this.stats.lost;
      this.#lastMapsMs = now;
      for (const pid of this.shared.processes.keys()) if (pid > 0) this.shared.spaces.readMaps(pid);
    }
    if (now - this.#lastTimesMs >= TIMES_EVERY_MS) {
      this.#lastTimesMs = now;
      this.shared.writeTimes();
      if (this.#options.live && !this.ended) this.shared.offCpu?.tell(this.shared.threads.values(), Math.max(this.reached, this.#profile.info.durationNs));
    }
    const more = this.shared.spaces.resolveNames(budgetMs);
    this.shared.offCpu?.name();
    if (!more) this.shared.offCpu?.settle(this.ended);
    return more;
  }

  /** Takes one record as it arrives; answers how many bytes behind it are its payload. */
  #arrive = (block: Block, at: number, size: number): number => {
    const view = block.view;
    const type = view.getUint32(at, true);
    this.stats.records++;
    this.stats.types[type <= LAST_TOOL_RECORD ? type : LAST_TOOL_RECORD + 1]++;
    if (type < RECORD.HEADER_ATTR) {
      this.#arriveKernel(block, at, size, type);
      return 0;
    }
    switch (type) {
      case RECORD.FINISHED_ROUND:
        this.stats.rounds++;
        this.#waitingSinceMs = 0;
        if (this.#holds()) {
          this.#planSeam();
          this.#queue.passRound();
        } else this.#queue.endRound(this.#emit);
        return 0;
      case RECORD.COMPRESSED:
        this.#inflate(block.bytes.subarray(at + 8, at + size));
        return 0;
      case RECORD.COMPRESSED2:
        if (size < 16) this.#skipRecord('perf records that could not be read');
        else this.#inflate(block.bytes.subarray(at + 16, at + 16 + Math.min(size - 16, u64(view, at + 8))));
        return 0;
      case RECORD.HEADER_ATTR: {
        const event = readAttrRecord(view, at, size);
        if (event === null) this.#skipRecord('perf events whose description could not be read');
        else this.events.add(event);
        return 0;
      }
      case RECORD.EVENT_UPDATE:
        readEventUpdate(view, block.bytes, at, size, this.events);
        return 0;
      case RECORD.HEADER_FEATURE:
        if (size >= 16) this.feature(u64(view, at + 8), block.bytes.subarray(at + 16, at + size));
        return 0;
      case RECORD.BUILD_ID:
        this.header.buildId(block.bytes, at, size);
        return 0;
      case RECORD.THREAD_MAP:
        if (this.#threadMaps++ === 0) {
          readThreadMap(view, at, size, this.#attached);
          for (const tid of this.#attached) if (!this.shared.attached.has(tid)) this.shared.attached.set(tid, NaN);
        }
        return 0;
      case RECORD.FINISHED_INIT:
        this.#ready = true;
        this.#options.onFinishedInit?.();
        return 0;
      case RECORD.TRACING_DATA:
        return size >= 12 ? Math.ceil(view.getUint32(at + 8, true) / 8) * 8 : 0;
      case RECORD.AUXTRACE:
        return size >= 16 ? u64(view, at + 8) : 0;
      default:
        if (type > LAST_TOOL_RECORD) this.#skipRecord('perf records of an unknown type');
        return 0;
    }
  };

  /** One header feature, from a record or from a file's section. */
  feature(number: number, bytes: Uint8Array): void {
    if (!this.header.feature(number, bytes)) this.#skipRecord('perf header features that could not be read');
    if (number === FEATURE.CLOCK_DATA) this.#setStart();
    if (number === FEATURE.CMDLINE && !this.#options.live && this.#profile.info.command === '') {
      this.#profile.info.command = this.header.command;
    }
  }

  #arriveKernel(block: Block, at: number, size: number, type: number): void {
    const view = block.view;
    if (type === 0 || type > LAST_KERNEL_RECORD) {
      this.#skipRecord('perf records of an unknown type');
      return;
    }
    const sample = type === RECORD.SAMPLE;
    const index = sample ? this.events.ofSample(view, at, size) : this.events.ofOther(view, at, size);
    const event: PerfEvent | undefined = this.events.events[index];
    if (event === undefined) {
      // Without any attr the layout is unknown; what perf makes up at the start needs none.
      if (sample || this.events.events.length > 0) this.#skipRecord('perf samples of an event that the header does not have');
      else this.#handOn(block, at, -1, NaN);
      return;
    }
    if (sample && size < event.fixedEnd) {
      this.#skipRecord('perf records that could not be read');
      return;
    }
    let time = NaN;
    let cpu = -1;
    if (sample) {
      if (event.timeAt >= 0) time = this.#time(view, at + event.timeAt);
      if (event.cpuAt >= 0) cpu = view.getUint32(at + event.cpuAt, true);
    } else if (size >= 8 + event.trailer) {
      if (event.timeFromEnd >= 0) time = this.#time(view, at + size - event.timeFromEnd);
      if (event.cpuFromEnd >= 0) cpu = view.getUint32(at + size - event.cpuFromEnd, true);
    }
    if (type === RECORD.LOST && size >= 24) this.#lose(u64(view, at + 16), cpu, time);
    else if (type === RECORD.LOST_SAMPLES && size >= 16) {
      if (time === time) this.#lose(u64(view, at + 8), cpu, time);
      else this.#lost.tellOfSamples(u64(view, at + 8));
    }
    else if (type === RECORD.EXIT && size >= 20) {
      const tid = view.getUint32(at + 16, true);
      if (this.#attached.has(tid)) this.#options.onThreadExit?.(view.getUint32(at + 8, true), tid);
    }
    this.#lost.see(cpu, time);
    this.#handOn(block, at, index, time);
  }

  #handOn(block: Block, at: number, index: number, time: number): void {
    if (time === time) {
      this.#queue.push(block, at, index, time);
      if (!(this.#first <= time)) this.#first = time;
    }
    // Waits with the others, before all that have a time.
    else if (this.#holds()) this.#queue.push(block, at, index, -Infinity);
    else this.#emit(block, at, index, NaN);
  }

  /** One record in its turn. */
  #emit = (block: Block, at: number, index: number, scaled: number): void => {
    const view = block.view;
    const type = view.getUint32(at, true);
    const timed = scaled > -Infinity;
    let time = NaN;
    if (timed) {
      if (!(this.#zero === this.#zero)) {
        this.#zero = scaled;
        this.#setCut();
        this.#setStart();
      }
      time = scaled - this.#zero;
      if (this.#successor !== null && time >= this.#until) {
        this.#heldBack.push({ block, at, index, time: scaled });
        if (this.#heldBack.length > MOST_HELD_BACK) this.#keepAll();
        return;
      }
      if (time >= this.shared.gates.next) this.shared.gates.pass(Math.min(time, this.#until));
      if (time > this.#newest) this.#newest = time;
      // What comes behind the cut is another's to hand on.
      if (time > this.reached) this.reached = Math.min(time, this.#until);
      // Never more often than there are threads, so that no stream of far-apart times makes it the main work.
      if (++this.#sinceSweep >= this.shared.threads.size && time >= this.#nextSweep) {
        this.#nextSweep = time + 1e9;
        this.#sinceSweep = 0;
        this.shared.sweep(time);
      }
    }
    const inside = !timed || (time >= this.#from && time < this.#until);
    if (type === RECORD.SAMPLE) {
      if (!inside) this.stats.cut++;
      else if (this.#samples.write(block, at, index, timed ? time : Math.max(0, this.#newest))) this.stats.samples++;
      else this.#skipRecord('perf samples that could not be read');
      return;
    }
    if (type === RECORD.SWITCH || type === RECORD.SWITCH_CPU_WIDE) {
      if (inside && timed) this.#samples.switch(view, at, this.events.events[index], time);
      return;
    }
    const tellsExec = this.events.events[index]?.commExec ?? true;
    const repeated = timed && this.replaces !== null && time < this.#from;
    if (!this.#tasks.read(block, at, type, timed ? time : null, inside && this.#samples.exact, tellsExec, repeated)) {
      this.#skipRecord('perf records that could not be read');
    }
  };

  // Where switches are told without stacks; and everywhere those who waited before we came.
  #askChannels(now: number): void {
    const { waitChannel, offCpu } = this.#options;
    if (waitChannel === undefined || offCpu === undefined || this.ended || now - this.#lastAskedMs < ASKED_EVERY_MS || !(this.#zero === this.#zero)) return;
    this.#lastAskedMs = now;
    this.shared.offCpu?.ask(this.shared.threads, this.zeroNs, waitChannel, !this.events.events.some((event) => event.role === 'switch'));
  }

  #time(view: DataView, at: number): number {
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    if ((low === 0 && high === 0) || (low === 0xffffffff && high === 0xffffffff)) return NaN;
    if (this.#high < 0) this.#high = high;
    return (high - this.#high) * TWO32 + low;
  }

  #inflate(bytes: Uint8Array): void {
    this.#inflater ??= this.#options.context.inflater('zstd');
    this.#inner ??= new Framer(this.#arrive);
    let plain: Uint8Array;
    try {
      plain = this.#inflater.push(bytes);
    } catch {
      // A zstd stream cannot be taken up again in its middle: this and what follows is lost, and said to be.
      this.#skipRecord('compressed perf records that could not be unpacked');
      return;
    }
    this.#inner.push(plain);
  }

  /** True while another decoder of this recording must hand on its rows first. */
  #holds(): boolean {
    if (this.replaces === null || this.#tookTurn) return false;
    if (!this.replaces.ended) return true;
    this.#takeTurn();
    return false;
  }

  #outlive(successor: PerfDecoder): void {
    this.#endedBefore.push(successor);
    if (this.#successor === successor) this.#keepAll();
  }

  // There is no seam: what was held back is ours.
  #keepAll(): void {
    if (this.#successor !== null) this.#successor.#planned = false;
    this.#successor = null;
    this.#until = this.#options.until === undefined ? Infinity : this.#options.until - this.zeroNs;
    for (const { block, at, index, time } of this.#heldBack.splice(0)) this.#emit(block, at, index, time);
  }

  // The seam of a hand-over: not before `from`, nor before we see anything, nor before what the other has handed on already.
  #planSeam(): void {
    if (this.#planned || !this.#ready || !(this.#first === this.#first) || this.replaces === null) return;
    this.#planned = true;
    this.#from = Math.max(this.#from, this.#first - this.#zero, this.replaces.reached);
    if (this.replaces instanceof PerfDecoder) this.replaces.cutAt(this.#from, this);
  }

  // Where the one before ended too early, its last row is the seam: no gap and no row twice.
  #takeTurn(): void {
    this.#tookTurn = true;
    if (this.replaces !== null && (!this.#planned || this.replaces.reached < this.#from)) this.#from = this.replaces.reached;
  }

  #lose(count: number, cpu: number, time: number): void {
    this.stats.lost += count;
    this.#skip('samples lost by perf', count);
    this.#lost.add(count, cpu, time);
  }

  #finishThreads(): void {
    if (!(this.#zero === this.#zero)) return;
    const end = Math.max(0, ...this.shared.decoders.map((one) => one.reached));
    this.#samples.finishThreads(end);
  }

  #setStart(): void {
    const info = this.#profile.info;
    const clock = this.header.clock;
    if (clock === null || !(this.#zero === this.#zero) || info.startedAt !== 0) return;
    info.startedAt = clock.offsetMs + this.zeroNs / 1e6;
    this.#profile.touch();
  }

  // The cut is given in the recording's clock, rows are in time of the profile.
  #setCut(): void {
    const zero = this.zeroNs;
    if (this.#options.from !== undefined) this.#from = this.#options.from - zero;
    if (this.#options.until !== undefined) this.#until = Math.min(this.#until, this.#options.until - zero);
  }

  #skipRecord(what: string): void {
    this.stats.skippedRecords++;
    this.#skip(what, 1);
  }

  #skip(what: string, count: number): void {
    this.#skipped.set(what, (this.#skipped.get(what) ?? 0) + count);
  }

  // Everything that is said of the stream as a whole, once a chunk and not once a record.
  #tell(): void {
    if (this.#newest > -Infinity) this.#profile.reach(ns(Math.min(this.#newest, this.#until)));
    if (this.#zero === this.#zero) {
      this.#lost.write(this.#zero, this.ended, (count, start, end, counted) => {
        if (!counted) {
          this.stats.lost += count;
          this.#skip('samples lost by perf', count);
        }
        this.#profile.marks.add({ kind: 'lost', start: ns(start), end: ns(end), value: count, text: `${count} samples lost` });
        this.#options.onLost?.(count, start, end);
      });
    }
    this.stats.switchSamples = this.#samples.switchSamples;
    if (this.stats.switchSamples > this.#switchesTold) {
      this.#skip('context switches whose way back was not recorded: how long they took is not known', this.stats.switchSamples - this.#switchesTold);
      this.#switchesTold = this.stats.switchSamples;
    }
    for (const [what, count] of this.#skipped) this.#profile.skip(what, count);
    this.#skipped.clear();
  }
}
