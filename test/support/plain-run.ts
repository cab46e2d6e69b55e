// A Run without the rest of the program: real pseudo-terminals, real FIFOs, bytes and windows kept in memory.
import { execFileSync, spawn as spawnChild } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node-pty';
import type { MarkFacts } from '#core/model/profile';
import type { Notice, RecordOptions } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import type { Run, StreamFacts, Terminal, WindowFacts } from '../../main/profilers/profiler.ts';
import { startOf } from '../../main/processes/identity.ts';

export interface PlainStream {
  readonly facts: StreamFacts;
  readonly chunks: Buffer[];
  bytes: number;
  ended: boolean;
  /** Monotonic ns of the last chunk. */
  lastAt: number;
}

export interface PlainTerminal {
  readonly title: string;
  readonly argv: readonly string[];
  readonly pid: number;
  text: string;
  exit: { code: number | null; signal: number | null } | null;
}

export class PlainRun implements Run {
  readonly target;
  readonly options: RecordOptions;
  readonly watched;
  readonly light = [];
  readonly directory: string;
  readonly scratch = mkdtempSync(join(tmpdir(), 'flamebench-test-'));
  readonly streams: PlainStream[] = [];
  readonly windowStreams: { facts: StreamFacts; windows: { window: WindowFacts; bytes: Uint8Array }[]; closed: boolean }[] = [];
  readonly terminals: PlainTerminal[] = [];
  readonly notices: Notice[] = [];
  readonly marks: MarkFacts[] = [];
  readonly costs: number[] = [];
  readonly zeroAt = Number(process.hrtime.bigint());
  #exits: ((pid: number, tid: number) => void)[] = [];

  constructor(pids: readonly number[], options: Partial<RecordOptions> = {}, more: { children?: boolean; directory?: string } = {}) {
    this.watched = pids.map((pid) => ({ pid, start: startOf(pid) ?? 0 }));
    this.target = { kind: 'attach' as const, processes: this.watched, children: more.children ?? false };
    this.options = { ...FIRST_OPTIONS, ...options };
    this.directory = more.directory ?? '';
  }

  pty(title: string, argv: readonly string[], environment: Readonly<Record<string, string>> = {}): Terminal {
    const child = spawn(argv[0], argv.slice(1), { env: { ...process.env, ...environment } as Record<string, string>, cols: 120, rows: 30 });
    const row: PlainTerminal = { title, argv, pid: child.pid, text: '', exit: null };
    this.terminals.push(row);
    const listeners: ((text: string) => void)[] = [];
    child.onData((text) => {
      row.text += text;
      for (const listener of listeners) listener(text);
    });
    const done = new Promise<{ code: number | null; signal: number | null }>((resolve) => {
      child.onExit(({ exitCode, signal }) => {
        row.exit = signal === undefined || signal === 0 ? { code: exitCode, signal: null } : { code: null, signal };
        resolve(row.exit);
      });
    });
    return {
      pid: child.pid, done,
      onOutput: (listener) => { listeners.push(listener); },
      write: (text) => { child.write(text); },
      kill: (signal) => {
        try {
          process.kill(child.pid, signal);
        } catch {
          // It ended meanwhile.
        }
      },
    };
  }

  fifo(facts: StreamFacts): Promise<{ path: string; done: Promise<void> }> {
    const path = join(this.scratch, `stream-${this.streams.length}`);
    execFileSync('mkfifo', [path]);
    const stream: PlainStream = { facts, chunks: [], bytes: 0, ended: false, lastAt: 0 };
    this.streams.push(stream);
    const socket = new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
    socket.on('data', (chunk: Buffer) => {
      stream.chunks.push(chunk);
      stream.bytes += chunk.length;
      stream.lastAt = this.now();
    });
    const done = new Promise<void>((resolve) => {
      socket.on('end', () => {
        stream.ended = true;
        rmSync(path, { force: true });
        resolve();
      });
    });
    return Promise.resolve({ path, done });
  }

  windows(facts: StreamFacts): { push(window: WindowFacts, bytes: Uint8Array): void; close(): Promise<void> } {
    const stream = { facts, windows: [] as { window: WindowFacts; bytes: Uint8Array }[], closed: false };
    this.windowStreams.push(stream);
    return {
      push: (window, bytes) => { stream.windows.push({ window, bytes }); },
      close: () => {
        stream.closed = true;
        return Promise.resolve();
      },
    };
  }

  track(): { add(monotonicNs: number, value: number): void } {
    return { add: () => {} };
  }

  mark(facts: MarkFacts): void {
    this.marks.push(facts);
  }

  notice(notice: Notice): void {
    this.notices.push(notice);
  }

  unnotice(id: string): void {
    const at = this.notices.findIndex((notice) => notice.id === id);
    if (at >= 0) this.notices.splice(at, 1);
  }

  onThreadExit(listener: (pid: number, tid: number) => void): void {
    this.#exits.push(listener);
  }

  /** As the decoder does when it reads an EXIT record of a thread that was there at attach. */
  threadExited(pid: number, tid: number): void {
    for (const listener of this.#exits) listener(pid, tid);
  }

  now(): number {
    return Number(process.hrtime.bigint());
  }

  cost(pid: number): void {
    this.costs.push(pid);
  }

  /** What a profiler left in the scratch folder. */
  left(): string[] {
    return readdirSync(this.scratch);
  }

  remove(): void {
    rmSync(this.scratch, { recursive: true, force: true });
  }
}

const started: ChildProcess[] = [];

/** Starts a program and waits for its first line. */
export async function startTarget(command: string, argv: readonly string[]): Promise<{ pid: number; child: ChildProcess; line: string }> {
  const child = spawnChild(command, [...argv], { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (text: Buffer) => { resolve(text.toString()); });
    child.once('exit', (code) => { reject(new Error(`${command} ended with ${code} before its first line`)); });
  });
  if (child.pid === undefined) throw new Error(`${command} did not start`);
  return { pid: child.pid, child, line };
}

/** Ends what startTarget started. */
export function endTargets(): void {
  for (const child of started.splice(0)) child.kill('SIGKILL');
}

export const wait = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms); });
