// What a recording lends its profilers: terminals, streams, tracks, marks, notices.
import { join } from 'node:path';
import type { LaneKind } from '#core/model/lane';
import type { MarkFacts, TrackFacts } from '#core/model/profile';
import type { Notice, RecordOptions, Target } from '#core/protocol/api';
import { isAlive, startOf } from '../processes/identity.ts';
import { writtenBy } from '../processes/proc.ts';
import { LIGHT_HZ } from '../profilers/profiler.ts';
import type { Run, StreamFacts, Terminal, Watched } from '../profilers/profiler.ts';
import type { DecoderHost } from './decoder-host.ts';
import { maskArguments, maskText } from './mask.ts';
import type { Streams } from './streams.ts';
import { PtyTerminal, ownEnvironment } from './terminal.ts';

/** What recording.json says of one profiler. */
export interface ProfilerRecord {
  title: string;
  argv: string[];
  exitCode: number | null;
  signal: number | null;
}

export interface RunOptions {
  readonly target: Target;
  readonly options: RecordOptions;
  readonly watched: readonly Watched[];
  readonly light: readonly Watched[];
  readonly small: boolean;
  readonly directory: string;
  readonly folder: string;
  readonly startedAt: number;
  /** The launched command's, where it runs in one of ours. */
  readonly terminal: PtyTerminal | null;
  readonly streams: Streams;
  readonly decoder: DecoderHost;
  readonly notice: (notice: Notice) => void;
  readonly unnotice: (id: string) => void;
  /** Terminals or children came or went. */
  readonly changed: () => void;
}

/** How long a child has after SIGTERM before SIGKILL. */
const TERM_MS = 1000;

export class ProfilerRun {
  readonly terminals: PtyTerminal[] = [];
  readonly casts: { file: string; title: string }[] = [];
  /** Processes of the profilers, for the cost meter. */
  readonly costly = new Set<number>();
  /** Children that a crash of ours would leave behind. */
  readonly children: { pid: number; start: number }[] = [];
  /** Children by what recording.json says of their profiler. */
  readonly #own = new Map<ProfilerRecord, Set<number>>();
  readonly #options: RunOptions;
  readonly #threadListeners = new Set<(pid: number, tid: number) => void>();

  constructor(options: RunOptions) {
    this.#options = options;
    if (options.terminal !== null) {
      this.casts.push({ file: 'terminal.cast', title: options.terminal.title });
      this.terminals.push(options.terminal);
    }
  }

  now(): number {
    return Number(process.hrtime.bigint());
  }

  threadExit(pid: number, tid: number): void {
    for (const listener of this.#threadListeners) listener(pid, tid);
  }

  /** Times are monotonic ns. */
  mark(facts: MarkFacts): void {
    this.#options.decoder.tell({ t: 'mark', facts });
  }

  /** The run as one profiler sees it, with the lanes that are asked of it; `detail` says for which processes. */
  of(record: ProfilerRecord, lanes: readonly LaneKind[], detail: 'full' | 'light'): Run {
    const { directory, small, folder, streams, decoder, notice, unnotice } = this.#options;
    return {
      ...this.#whom(lanes, detail), small, directory,
      scratch: join(folder, 'scratch'),
      pty: (title, argv, environment) => this.#pty(record, title, argv, environment ?? {}),
      fifo: (facts: StreamFacts) => { record.title = facts.title; return streams.fifo(streams.named(facts)); },
      windows: (facts: StreamFacts) => { record.title = facts.title; return streams.windows(streams.named(facts)); },
      track: (facts: TrackFacts) => {
        const track = decoder.call('track', { facts });
        return { add: (at, value) => void track.then((made) => decoder.tell({ t: 'value', track: made.track, at, value }), () => undefined) };
      },
      mark: (facts) => this.mark(facts),
      notice, unnotice,
      onThreadExit: (listener) => { this.#threadListeners.add(listener); },
      now: () => this.now(),
      cost: (pid) => { this.costly.add(pid); },
    };
  }

  /** Which processes a profiler looks at, and how closely. */
  #whom(lanes: readonly LaneKind[], detail: 'full' | 'light'): Pick<Run, 'target' | 'options' | 'watched' | 'light'> {
    const { target, watched, light } = this.#options;
    const options = { ...this.#options.options, lanes };
    if (light.length === 0) return { target, options, watched, light };
    // Each process is named: with their children, those with full detail would take the others in.
    const processes = detail === 'full' ? watched : light;
    return {
      target: { kind: 'attach', processes, children: false }, watched: processes, light: detail === 'full' ? light : [],
      options: { ...options, rate: detail === 'full' ? options.rate : Math.min(LIGHT_HZ, options.rate), pySpy: { ...options.pySpy, subprocesses: false } },
    };
  }

  /** What a profiler's processes that still run have written, as a text that changes with it; '' where none runs. */
  written(record: ProfilerRecord): string {
    return [...this.#own.get(record) ?? []].map((pid) => `${pid}: ${writtenBy(pid) ?? '-'}`).join(' ');
  }

  /** Ends every child that is still there. */
  async endChildren(): Promise<void> {
    const left = () => this.children.filter((child) => isAlive(child));
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const child of left()) kill(child.pid, signal);
      for (let waited = 0; waited < TERM_MS && left().length > 0; waited += 20) await new Promise((next) => setTimeout(next, 20));
    }
    this.children.length = 0;
  }

  #pty(record: ProfilerRecord, title: string, argv: readonly string[], environment: Readonly<Record<string, string>>): Terminal {
    const file = this.casts.length === 0 ? 'terminal.cast' : `terminal-${this.casts.length + 1}.cast`;
    const terminal = new PtyTerminal({
      title, argv, directory: this.#options.folder, environment: { ...ownEnvironment(), ...environment }, cast: join(this.#options.folder, file), startedAt: this.#options.startedAt,
    });
    record.argv = maskArguments(argv).map((word) => maskText(word));
    this.casts.push({ file, title });
    this.terminals.push(terminal);
    const child = { pid: terminal.pid, start: startOf(terminal.pid) ?? 0 };
    this.children.push(child);
    this.costly.add(terminal.pid);
    const own = this.#own.get(record) ?? new Set<number>();
    this.#own.set(record, own.add(terminal.pid));
    void terminal.done.then((end) => {
      record.exitCode = end.code;
      record.signal = end.signal;
      const at = this.children.indexOf(child);
      if (at >= 0) this.children.splice(at, 1);
      this.costly.delete(terminal.pid);
      own.delete(terminal.pid);
      this.#options.changed();
    });
    this.#options.changed();
    return terminal;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone meanwhile, or run by sudo: a child of root is ended by its control FIFO, or by its terminal's end.
  }
}
