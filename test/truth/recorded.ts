// A program with a known truth, recorded by the command line, and sums of what was recorded.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { openRecording } from '../../main/library/open.ts';
import { flamebench, inside, scratch } from '../main/cli/run.ts';

export const programs = new URL('../programs/', import.meta.url).pathname;
export const here = scratch();
const env = { FLAMEBENCH_HOME: here.file('home') };

export interface Recorded {
  readonly profile: Profile;
  readonly out: string;
  readonly file: string;
  /** Monotonic ns of its time 0. */
  readonly zeroAt: number;
}

/** Launches a command under `flamebench record`, with CPU and waiting unless `more` says otherwise. Throws with what it printed. */
export async function record(name: string, command: readonly string[], ...more: readonly string[]): Promise<Recorded> {
  const file = here.file(`${name}.flamebench`);
  const { code, out, err } = await flamebench(['record', ...(more.includes('--lanes') ? [] : ['--lanes', 'cpu,off-cpu']), ...more, '--force', '-o', file, '--', ...command], { env });
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${err}`);
  const unpacked = spawnSync('unzip', ['-p', file, 'recording.json'], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const zeroAt = unpacked.status === 0 ? (JSON.parse(unpacked.stdout) as { zeroAt: number }).zeroAt : NaN;
  return { profile: await openRecording(file), out, file, zeroAt };
}

/** The last line of JSON that a program printed. */
export function truthOf<T>(out: string): T {
  return JSON.parse(out.trim().split('\n').at(-1) ?? '') as T;
}

/** What keeps a lane from being recorded here; '' when nothing does. Printed as why a test is skipped. */
export async function missing(lane: 'cpu' | 'off-cpu', profiler = 'perf'): Promise<string> {
  const { out } = await inside(['doctor', '--json']);
  const check = (JSON.parse(out) as { checks: { profiler: string; lane: string; state: string; text: string }[] }).checks.find((one) => one.lane === lane && one.profiler === profiler);
  return check?.state === 'ready' ? '' : `${profiler} says of ${lane}: ${check?.text ?? 'nothing'}`;
}

/** The lane of a kind that perf filled; of waiting the one of waits. */
export function laneOf(profile: Profile, kind: 'cpu' | 'off-cpu', name?: string): Lane {
  const lane = profile.lanes.find((one) => one.kind === kind && (name === undefined ? one.name !== 'py-spy' && one.name !== 'preempted' : one.name === name));
  if (lane === undefined) throw new Error(`no lane ${kind} ${name ?? ''}`);
  return lane;
}

/** Self weights by the name at the tip, below functions of a name (all where it is ''): `{ 'sleep': 1e9 }`, cut at the colon. */
export function tipsUnder(profile: Profile, lane: Lane, name: string): Record<string, number> {
  const tree = new CallTree(profile, lane, EVERYTHING, false);
  const sums: Record<string, number> = {};
  for (let node = 0; node < tree.length; node++) {
    if (!(tree.self(node) > 0) || (name !== '' && !tree.pathOf(node).some((one) => one.name === name))) continue;
    const tip = tree.refOf(node).name.split(': ')[0];
    sums[tip] = (sums[tip] ?? 0) + tree.self(node);
  }
  return sums;
}

export const sum = (values: Iterable<number>): number => [...values].reduce((total, one) => total + one, 0);

/** Weight below functions of a name. */
export function under(profile: Profile, lane: Lane, name: string): number {
  return sum(Object.values(tipsUnder(profile, lane, name)));
}

/** What a thread's exact account says: ns on a CPU, blocked, and runnable without a CPU; and its rows of a lane. */
export function accountOf(profile: Profile, tid: number): { readonly onCpu: number; readonly blocked: number; readonly queued: number; row: number } {
  for (let row = profile.threads.length - 1; row >= 0; row--) {
    if (profile.threads.tid.get(row) !== tid) continue;
    return { onCpu: profile.threads.onCpu.get(row), blocked: profile.threads.blocked.get(row), queued: profile.threads.waiting.get(row), row };
  }
  throw new Error(`no thread ${tid}`);
}

/** Weight and samples of one thread in a lane. */
export function ofThread(lane: Lane, thread: number): { weight: number; samples: number } {
  const result = { weight: 0, samples: 0 };
  for (const chunk of lane.chunks) for (let row = 0; row < chunk.rows; row++) {
    if (chunk.thread[row] !== thread) continue;
    result.weight += chunk.weight.get(row);
    result.samples += chunk.count.get(row);
  }
  return result;
}

/** How far apart two numbers are, printed with both; `beside` ns belong to what no program can time itself. */
export function apart(what: string, ours: number, truth: number): number {
  console.log(`${what}: ${(ours / 1e6).toFixed(1)} ms, the program says ${(truth / 1e6).toFixed(1)} ms (${((ours / truth - 1) * 100).toFixed(2)} %)`);
  return Math.abs(ours / truth - 1);
}

export const noCompiler = spawnSync('cc', ['--version']).status !== 0 ? 'no C compiler' : '';
export const readText = (path: string): string => readFileSync(path, 'utf8');
