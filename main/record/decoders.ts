// The decoders of a recording's streams, chosen by what each stream says of itself.
import { assertNever } from '#core/errors';
import type { ProcessId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import { HeaptrackDecoder } from '#core/read/heaptrack/decoder';
import { Merger } from '#core/read/merge';
import { PerfDecoder } from '#core/read/perf/decoder';
import { PerfShared } from '#core/read/perf/threads';
import { PySpyDecoder } from '#core/read/py-spy/decoder';
import { ThreadRows } from '#core/read/py-spy/thread-rows';
import { PythonHelperDecoder } from '#core/read/python-helper';
import { V8Decoder } from '#core/read/v8/decoder';
import { LiveSources } from '../native/live-sources.ts';
import { waitChannel } from '../native/wait-channel.ts';
import type { StreamFacts, WindowFacts } from '../profilers/profiler.ts';
import { readContext } from './read-context.ts';

/** Whether a stream is one of windows: facts and bytes in turns. */
export function comesInWindows(decoder: string): boolean {
  return decoder === 'py-spy' || decoder === 'python-helper' || decoder === 'v8';
}

/** A decoder of one stream, whatever its format. */
export interface StreamDecoder {
  push(bytes: Uint8Array): void;
  window(window: WindowFacts, bytes: Uint8Array): void;
  end(): void;
  /** Work that may wait (names), about this long. Returns whether more waits. */
  idle(budgetMs: number): boolean;
}

export interface StreamEvents {
  readonly onThreadExit: (pid: number, tid: number) => void;
  readonly onFinishedInit: () => void;
  readonly onLost: (count: number, start: number, end: number) => void;
}

/** Makes decoders over one profile; those of one kind share what they learn (threads, maps, names). */
export class DecoderSet {
  readonly #profile: Profile;
  readonly #zeroAt: number;
  readonly #live: boolean;
  readonly #sources: LiveSources;
  #perfShared: PerfShared | null = null;
  /** Joins py-spy's stacks with perf's, from py-spy's stream on. */
  #merger: Merger | null = null;
  readonly #pySpys = new Set<PySpyDecoder>();

  constructor(options: { profile: Profile; zeroAt: number; live: boolean }) {
    this.#profile = options.profile;
    this.#zeroAt = options.zeroAt;
    this.#live = options.live;
    // A finished recording of this machine is named by the same files, as far as their build ids still match.
    this.#sources = new LiveSources({ memory: options.live });
  }

  /** `until`: rows of a stream of perf from this monotonic ns on belong to the stream that took over. */
  make(facts: StreamFacts, events: StreamEvents, until?: number): StreamDecoder {
    switch (facts.decoder) {
      case 'perf': return this.#perf(facts, events, until);
      case 'py-spy': return this.#pySpy(facts);
      case 'python-helper': return this.#pythonHelper(facts);
      case 'v8': return this.#v8(facts);
      case 'heaptrack': return this.#heaptrack(facts);
      default: return assertNever(facts);
    }
  }

  /** Derives merged stacks, where there is anything to merge. `behind`: bytes wait undecoded. */
  merge(behind = false): void {
    // perf alone names Python functions as well.
    if (this.#perfShared?.python.told === true) this.#merger ??= new Merger(this.#profile);
    this.#merger?.step(performance.now(), behind);
  }

  /** All streams have ended: every row gets its merged stack. */
  finish(): void {
    this.#merger?.finish();
  }

  /** Closes the files that were opened for names. */
  close(): void {
    this.#sources.close();
  }

  #perf(facts: Extract<StreamFacts, { decoder: 'perf' }>, events: StreamEvents, until: number | undefined): StreamDecoder {
    this.#perfShared ??= new PerfShared(this.#profile, { sources: this.#sources, directory: facts.directory });
    const decoder = new PerfDecoder(this.#profile, {
      zeroAt: this.#zeroAt, stacks: facts.stacks, rateHz: facts.rateHz, directory: facts.directory, source: facts.source,
      live: this.#live, sources: this.#sources, context: readContext(facts.title), shared: this.#perfShared,
      ...(facts.from === undefined ? {} : { from: facts.from }), ...(until === undefined ? {} : { until }), ...(facts.offCpu === undefined ? {} : { offCpu: facts.offCpu }),
      ...(facts.faults === undefined ? {} : { faults: facts.faults }), ...(facts.memory === undefined ? {} : { memory: facts.memory }),
      ...(this.#live ? { waitChannel } : {}),
      onThreadExit: events.onThreadExit, onFinishedInit: events.onFinishedInit, onLost: events.onLost,
    });
    return {
      push: (bytes) => decoder.push(bytes),
      window: () => { throw new Error('broken invariant: perf has no windows'); },
      end: () => decoder.end(),
      idle: (budget) => {
        const more = decoder.idle(budget);
        if (!more) this.#merger?.named();
        return more;
      },
    };
  }

  #heaptrack(facts: Extract<StreamFacts, { decoder: 'heaptrack' }>): StreamDecoder {
    const decoder = new HeaptrackDecoder(this.#profile, {
      source: facts.source, directory: facts.directory, beside: facts.beside, zeroWall: this.#zeroAt + facts.wall,
      thread: () => {
        const rows = new ThreadRows(this.#profile);
        const pid = facts.watched[0] ?? 0;
        const known = rows.has(pid);
        const row = rows.row(pid, 0, 'heaptrack', 'all threads together');
        if (!known && facts.name !== '') this.#profile.processes.rename(this.#profile.threads.process.get(row) as ProcessId, facts.name);
        return row;
      },
    });
    return {
      push: (bytes) => decoder.push(bytes),
      window: () => { throw new Error('broken invariant: heaptrack has no windows'); },
      end: () => decoder.end(),
      idle: () => false,
    };
  }

  #v8(facts: Extract<StreamFacts, { decoder: 'v8' }>): StreamDecoder {
    const decoder = new V8Decoder(this.#profile, { what: facts.what, zeroAt: this.#zeroAt, directory: facts.directory, source: facts.source, interval: facts.interval });
    return {
      push: () => { throw new Error("broken invariant: V8's profiles come in windows"); },
      window: (window, bytes) => decoder.window(window, bytes),
      end: () => decoder.end(),
      idle: () => false,
    };
  }

  #pySpy(facts: Extract<StreamFacts, { decoder: 'py-spy' }>): StreamDecoder {
    this.#merger ??= new Merger(this.#profile);
    this.#merger.expect();
    const decoder = new PySpyDecoder(this.#profile, { zeroAt: this.#zeroAt, directory: facts.directory, source: facts.source, rateHz: facts.rateHz, sink: this.#merger });
    this.#pySpys.add(decoder);
    return {
      push: () => { throw new Error('broken invariant: py-spy comes in windows'); },
      window: (window, bytes) => {
        decoder.window(window, bytes);
        // At once: a page never sees py-spy's rows before the stacks that they complete. More windows may wait behind it.
        if (this.#live) this.merge(true);
      },
      end: () => {
        decoder.end();
        this.#pySpys.delete(decoder);
        if (this.#pySpys.size === 0) this.#merger?.end();
      },
      idle: () => false,
    };
  }

  #pythonHelper(facts: Extract<StreamFacts, { decoder: 'python-helper' }>): StreamDecoder {
    const decoder = new PythonHelperDecoder(this.#profile, { zeroAt: this.#zeroAt, directory: facts.directory, source: facts.source });
    return {
      push: () => { throw new Error('broken invariant: the Python helper comes in windows'); },
      window: (window, bytes) => decoder.window(window, bytes),
      end: () => decoder.end(),
      idle: () => false,
    };
  }
}
