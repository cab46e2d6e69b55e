// How busy each GPU is and how much of its memory is used, over time, from one nvidia-smi that runs as long as the recording.
// Its lines are CSV: `timestamp, index, utilization.gpu, memory.used, memory.total` (nvidia-smi --help-query-gpu); a value that a card does not
// tell is `[N/A]`, `[Not Supported]` or `[Unknown Error]`.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TrackFacts } from '#core/model/profile';
import { nvidiaSmi } from '../processes/nvidia.ts';

const EVERY_MS = 250;
const MIB = 1024 * 1024;
/** A line that is older than this has a clock that is not ours. */
const MOST_LATE_MS = 60_000;
const END_MS = 1000;

export interface GpuTrackSink {
  track(facts: TrackFacts): { add(monotonicNs: number, value: number): void };
  /** Monotonic ns. */
  now(): number;
  /** The child's pid, for the cost meter. */
  cost(pid: number): void;
}

export interface GpuTracks {
  /** Ends the child. */
  stop(): Promise<void>;
  /** Resolves when the child has ended; the tracks keep what they have. */
  readonly done: Promise<void>;
}

/** One reading of one card; null where the card does not tell. Percent and bytes. */
export interface GpuReading {
  readonly index: number;
  /** ms since 1970 by the machine's own clock, null where it is not told. */
  readonly at: number | null;
  readonly utilisation: number | null;
  readonly used: number | null;
  readonly total: number | null;
}

export const QUERY: readonly string[] = ['--query-gpu=timestamp,index,utilization.gpu,memory.used,memory.total', '--format=csv,noheader,nounits', '-lms', String(EVERY_MS)];

/** Reads one line; null for what is none (an error message, an empty line). */
export function readGpuLine(line: string): GpuReading | null {
  const fields = line.split(',').map((field) => field.trim());
  if (fields.length !== 5 || !/^\d{1,4}$/.test(fields[1])) return null;
  const number = (text: string): number | null => (/^\d+(?:\.\d+)?$/.test(text) ? Number(text) : null);
  const used = number(fields[3]);
  const total = number(fields[4]);
  return { index: Number(fields[1]), at: timeOf(fields[0]), utilisation: number(fields[2]), used: used === null ? null : used * MIB, total: total === null ? null : total * MIB };
}

/** `2026/01/31 12:00:00.250`, local time. */
function timeOf(text: string): number | null {
  const match = /^(\d{4})\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{3})$/.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second, ms] = match.slice(1).map(Number);
  return new Date(year, month - 1, day, hour, minute, second, ms).getTime();
}

/**
 * Begins tracks `gpu N utilisation` (%) and `gpu N memory` (bytes), made when a card first tells them. null where there is no GPU, or no
 * nvidia-smi: nothing runs then. `program` stands in for it, in tests.
 */
export function startGpuTracks(sink: GpuTrackSink, program: string | null = nvidiaSmi()): GpuTracks | null {
  if (program === null) return null;
  const child = spawn(program, QUERY, { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, LC_ALL: 'C' } });
  const done = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  if (child.pid !== undefined) sink.cost(child.pid);
  const tracks = new Map<string, { add(monotonicNs: number, value: number): void }>();
  const add = (name: string, unit: string, scale: number, at: number, value: number): void => {
    let track = tracks.get(name);
    if (track === undefined) tracks.set(name, (track = sink.track({ name, unit, scale })));
    track.add(at, value);
  };
  createInterface({ input: child.stdout }).on('line', (line) => {
    const reading = readGpuLine(line);
    if (reading === null) return;
    // A pipe may hand on lines late: the line's own time says when it was.
    const late = reading.at === null ? 0 : Date.now() - reading.at;
    const at = sink.now() - (late > 0 && late < MOST_LATE_MS ? late * 1e6 : 0);
    if (reading.utilisation !== null) add(`gpu ${reading.index} utilisation`, '%', 100, at, reading.utilisation);
    if (reading.used !== null) add(`gpu ${reading.index} memory`, 'bytes', reading.total ?? 0, at, reading.used);
  });
  return { done, stop: () => end(child, done) };
}

async function end(child: ChildProcess, done: Promise<void>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
  await done;
  clearTimeout(timer);
}
