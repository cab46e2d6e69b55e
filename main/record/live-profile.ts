// The profile of a running recording: bytes and windows in, rows and deltas.bin out.
import { closeSync, openSync, readSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { messageOf } from '#core/errors';
import { ns } from '#core/model/ids';
import type { MarkFacts } from '#core/model/profile';
import { Profile } from '#core/model/profile';
import type { StreamFacts } from '../profilers/profiler.ts';
import { writeTables } from './arrow.ts';
import type { StreamDecoder } from './decoders.ts';
import { DecoderSet } from './decoders.ts';
import { DeltaWriter } from './deltas.ts';
import type { Credit, DecoderCalls, DecoderEvent, DecoderJob, Handover } from './messages.ts';
import { knownProcess } from './known-process.ts';
import { gapsOf, mixOf, summaryOf } from './summary.ts';

/** Decoding gives the loop back after this long, so that `since` is answered. */
const SLICE_MS = 12;
const DELTA_MS = 200;
const IDLE_MS = 50;
/** How often it is said that decoding is behind. */
const BEHIND_MS = 500;
const SPILL_PIECE = 256 * 1024;

interface Stream {
  readonly facts: StreamFacts;
  readonly decoder: StreamDecoder;
  spillAt: number;
  /** Where the spill file ends, as far as is known. */
  spillTo: number;
  toldAt: number;
  spillFile: number;
  done: boolean;
  error: string;
}

export class LiveProfile {
  readonly profile = new Profile();
  readonly #job: Extract<DecoderJob, { kind: 'live' }>;
  readonly #emit: (event: DecoderEvent) => void;
  readonly #streams = new Map<string, Stream>();
  readonly #queue: Handover[] = [];
  readonly #deltas: DeltaWriter;
  readonly #decoders: DecoderSet;
  #reader: MessagePort | null = null;
  #pumping = false;
  #flushedAt = 0;
  #rows = false;
  #timers: NodeJS.Timeout[];
  #sealed = false;

  constructor(job: Extract<DecoderJob, { kind: 'live' }>, emit: (event: DecoderEvent) => void) {
    this.#job = job;
    this.#emit = emit;
    this.profile.info = { ...job.info };
    this.profile.touch();
    const known = new Map(job.known ?? []);
    this.profile.processes.known = (pid) => {
      const now = knownProcess(pid);
      // One that has ended, or is a zombie, says nothing any more.
      return now === null || now.command === '' ? known.get(pid) ?? now : now;
    };
    this.#deltas = new DeltaWriter(job.folder, this.profile);
    this.#decoders = new DecoderSet({ profile: this.profile, zeroAt: job.zeroAt, live: true });
    this.#timers = [setInterval(() => this.#flush(), DELTA_MS), setInterval(() => this.#idle(), IDLE_MS)];
    this.#flush();
  }

  connect(port: MessagePort): void {
    this.#reader = port;
    port.on('message', (message: Handover) => {
      this.#queue.push(message);
      const stream = this.#streams.get(message.stream);
      if (message.t === 'spill' && stream !== undefined) stream.spillTo = message.to;
      this.#wake();
    });
  }

  open(facts: StreamFacts): void {
    const decoder = this.#decoders.make(facts, {
      onThreadExit: (pid, tid) => this.#emit({ t: 'threadExit', stream: facts.id, pid, tid }),
      onFinishedInit: () => this.#emit({ t: 'finishedInit', stream: facts.id }),
      onLost: (count, start, end) => this.#emit({ t: 'lost', stream: facts.id, count, start, end }),
    });
    this.#streams.set(facts.id, { facts, decoder, spillAt: 0, spillTo: 0, toldAt: 0, spillFile: -1, done: false, error: '' });
  }

  /** `at` is monotonic ns, as all times that come from outside this thread. */
  value(track: number, at: number, value: number): void {
    const time = ns(at - this.#job.zeroAt);
    this.profile.tracks[track].add(time, value);
    this.profile.reach(time);
  }

  mark(facts: MarkFacts): void {
    this.profile.marks.add({ ...facts, start: ns(facts.start - this.#job.zeroAt), end: ns(facts.end - this.#job.zeroAt) });
  }

  /** Ends streams that never ended, and writes what is left. The profile can still be asked afterwards. */
  async seal(notes: readonly string[]): Promise<DecoderCalls['seal']['answer']> {
    while (this.#queue.length > 0) {
      this.#pump(Infinity);
      await new Promise((next) => setImmediate(next));
    }
    for (const stream of this.#streams.values()) this.#end(stream);
    for (const timer of this.#timers) clearInterval(timer);
    while (this.#idle()) await new Promise((next) => setImmediate(next));
    this.#decoders.finish();
    this.profile.info.live = false;
    this.profile.info.notes = [...this.profile.info.notes, ...notes];
    this.profile.open = [];
    this.profile.touch();
    this.#sealed = true;
    this.#deltas.close();
    this.#reader?.close();
    this.#decoders.close();
    let failed = this.#deltas.failed;
    try {
      if (failed === '') writeTables(this.profile, this.#job.folder);
    } catch (error) {
      failed = messageOf(error);
    }
    return { summary: summaryOf(this.profile), mix: mixOf(this.profile), gaps: gapsOf(this.profile), failed, bytes: this.#deltas.bytes };
  }

  #wake(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    setImmediate(() => {
      this.#pumping = false;
      this.#pump(SLICE_MS);
      if (this.#queue.length > 0) this.#wake();
    });
  }

  #pump(budgetMs: number): void {
    const until = performance.now() + budgetMs;
    while (this.#queue.length > 0) {
      const message = this.#queue[0];
      const stream = this.#streams.get(message.stream);
      if (stream === undefined || this.#take(stream, message)) this.#queue.shift();
      if (performance.now() - this.#flushedAt > DELTA_MS) this.#flush();
      if (performance.now() > until) break;
    }
    if (!this.#rows && this.profile.lanes.some((lane) => lane.rows > 0)) {
      this.#rows = true;
      this.#emit({ t: 'firstRows' });
    }
  }

  /** Returns whether all of the message was taken. */
  #take(stream: Stream, message: Handover): boolean {
    switch (message.t) {
      case 'bytes':
        if (stream.spillFile >= 0) {
          closeSync(stream.spillFile);
          stream.spillFile = -1;
          stream.spillAt = 0;
          stream.spillTo = 0;
          this.#emit({ t: 'behind', stream: stream.facts.id, bytes: 0 });
        }
        this.#decode(stream, () => stream.decoder.push(message.bytes));
        this.#credit(stream, message.bytes.length);
        return true;
      case 'spill': return this.#readSpill(stream, message.path, message.to);
      case 'window':
        this.#decode(stream, () => stream.decoder.window(message.window, message.bytes));
        return true;
      case 'end':
        this.#end(stream);
        return true;
    }
  }

  #readSpill(stream: Stream, path: string, to: number): boolean {
    if (stream.spillFile < 0) {
      stream.spillFile = openSync(path, 'r');
      stream.spillAt = 0;
    }
    const piece = new Uint8Array(Math.min(SPILL_PIECE, to - stream.spillAt));
    const got = readSync(stream.spillFile, piece, 0, piece.length, stream.spillAt);
    this.#decode(stream, () => stream.decoder.push(piece.subarray(0, got)));
    stream.spillAt += got;
    const whole = got === 0 || stream.spillAt >= to;
    if (performance.now() - stream.toldAt > BEHIND_MS) {
      stream.toldAt = performance.now();
      this.#emit({ t: 'behind', stream: stream.facts.id, bytes: stream.spillTo - stream.spillAt });
    }
    if (whole) this.#credit(stream, 0);
    return whole;
  }

  #credit(stream: Stream, bytes: number): void {
    const credit: Credit = { stream: stream.facts.id, bytes, spill: stream.spillAt };
    this.#reader?.postMessage(credit);
  }

  // One stream that cannot be read ends alone: its raw bytes are kept, the others go on.
  #decode(stream: Stream, work: () => void): void {
    if (stream.error !== '') return;
    try {
      work();
    } catch (error) {
      stream.error = messageOf(error);
      this.profile.skip(`${stream.facts.title} could not be read further: ${stream.error}`);
    }
  }

  #end(stream: Stream): void {
    if (stream.done) return;
    stream.done = true;
    this.#decode(stream, () => stream.decoder.end());
    if (stream.spillFile >= 0) closeSync(stream.spillFile);
    stream.spillFile = -1;
    this.#flush();
    this.#emit({ t: 'streamDone', stream: stream.facts.id, error: stream.error });
  }

  /** Returns whether names still wait. */
  #idle(): boolean {
    if (this.#queue.length > 0) return false;
    let more = false;
    for (const stream of this.#streams.values()) {
      this.#decode(stream, () => { more = stream.decoder.idle(SLICE_MS) || more; });
    }
    return more;
  }

  #flush(): void {
    if (this.#sealed) return;
    const before = this.#deltas.failed;
    this.#decoders.merge(this.#queue.length > 0);
    this.#deltas.flush();
    this.#flushedAt = performance.now();
    if (before === '' && this.#deltas.failed !== '') this.#emit({ t: 'diskFailed', message: this.#deltas.failed });
  }
}
