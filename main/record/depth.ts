// How deep a recording can go for the size of its target: what full detail would take in files, bytes and disk, and which processes get it where that
// is over budget. The others get light detail: Python stacks a few times a second where there is py-spy, CPU and memory over time in any case.
import { cpus } from 'node:os';
import { formatCount } from '#core/analyze/format';
import type { LaneKind } from '#core/model/lane';
import type { RecordOptions, Target } from '#core/protocol/api';
import { TICKS_PER_SECOND, argvOf, numbersIn, readProc, readProcLink, statOf } from '../processes/proc.ts';
import { isLauncher } from '../processes/names.ts';
import { rankOf } from '../processes/rank.ts';
import { withDescendants } from '../processes/tree.ts';
import type { Watched } from '../profilers/profiler.ts';

/** What may be spent: files that perf opens, bytes a second that are read, bytes of disk an hour. */
export const BUDGET = { files: 20_000, bytes: 30e6, disk: 2e9 } as const;

/** A sample with 16 KB of copied stack, and one of the kernel's frame pointers alone. */
const SAMPLE_BYTES = { dwarf: 16_900, fp: 400 } as const;
/** A switch out of the CPU with its stack (4 KB where copied, or 2 KB), and the records of both ways. */
const SWITCH_BYTES = { dwarf: 4600, small: 2600, fp: 400 } as const;
/** What zstd leaves of it on disk: 0.8 to 3 %, by program. */
const PACKED = 0.03;
/** Events that open files of their own, by lane: page faults, and mmap with brk, for memory. */
const EVENTS: Readonly<Partial<Record<LaneKind, number>>> = { cpu: 1, 'off-cpu': 1, memory: 3 };

/** One process of a target, as far as its cost goes. */
export interface ProcessLoad extends Watched {
  readonly ppid: number;
  readonly rank: number | null;
  /** Starts others and waits for them. */
  readonly launcher: boolean;
  readonly threads: number;
  /** CPUs that it used on average since its start. */
  readonly cores: number;
  /** Switches a second of all of its threads, on average since their start. */
  readonly switches: number;
}

/** What full detail takes. */
export interface Size {
  readonly processes: number;
  readonly threads: number;
  readonly files: number;
  /** Bytes a second. */
  readonly bytes: number;
  /** Of those, what waiting time adds. */
  readonly waitBytes: number;
  readonly switches: number;
  /** Bytes an hour. */
  readonly disk: number;
}

export interface Depth {
  readonly full: readonly ProcessLoad[];
  /** Empty where all processes get full detail. */
  readonly light: readonly ProcessLoad[];
  /** Of all processes together, with stacks of the usual size. */
  readonly whole: Size;
  /** Less stack is copied with switches and page faults: so all of them are within the budget. */
  readonly small: boolean;
}

/** The processes of an attach with their loads; those that are gone are left out. */
export function loadsOf(target: Target): ProcessLoad[] {
  if (target.kind !== 'attach') return [];
  const roots = target.processes.map((process) => process.pid);
  const loads: ProcessLoad[] = [];
  const uptime = Number((readProc('/proc/uptime') ?? '0').split(' ', 1)[0]);
  for (const pid of target.children ? withDescendants(roots) : roots) {
    const stat = statOf(pid);
    if (stat === null || stat.state === 'Z') continue;
    const tids = numbersIn(`/proc/${pid}/task`);
    const age = Math.max(1, uptime - stat.start / TICKS_PER_SECOND);
    let switches = 0;
    for (const tid of tids) switches += switchesOf(readProc(`/proc/${pid}/task/${tid}/status`) ?? '') / age;
    loads.push({
      pid, start: stat.start, ppid: stat.ppid, rank: rankOf(pid), launcher: isLauncher(stat.comm, argvOf(pid), readProcLink(`/proc/${pid}/exe`) ?? ''),
      threads: tids.length, cores: stat.ticks / TICKS_PER_SECOND / age, switches,
    });
  }
  return loads;
}

/** What full detail of these processes takes. `cores`: how many CPUs they are thought to use; by default as many as they could. `small`: with less stack copied. */
export function sizeOf(loads: readonly ProcessLoad[], options: Pick<RecordOptions, 'lanes' | 'rate' | 'stacks'>, cores?: number, small = false): Size {
  const count = cpus().length;
  const threads = loads.reduce((sum, load) => sum + load.threads, 0);
  const events = options.lanes.reduce((sum, lane) => sum + (EVENTS[lane] ?? 0), 0);
  const way = options.stacks === 'fp' ? 'fp' : 'dwarf';
  // No more threads than CPUs can be sampled at once.
  const busy = cores ?? Math.min(threads, count);
  const switches = loads.reduce((sum, load) => sum + load.switches, 0);
  const sampled = options.lanes.includes('cpu') ? busy * options.rate * SAMPLE_BYTES[way] : 0;
  const waitBytes = switches * SWITCH_BYTES[small && way === 'dwarf' ? 'small' : way];
  const bytes = sampled + (options.lanes.includes('off-cpu') ? waitBytes : 0);
  return { processes: loads.length, threads, files: threads * count * Math.max(1, events), bytes, waitBytes, switches, disk: bytes * PACKED * 3600 };
}

export function isOverBudget(size: Size): boolean {
  return size.files > BUDGET.files || size.bytes > BUDGET.bytes || size.disk > BUDGET.disk;
}

/** Which processes get full detail: all of them within the budget, if need be with smaller stacks; else one rank and one of its workers. */
export function depthOf(loads: readonly ProcessLoad[], options: Pick<RecordOptions, 'lanes' | 'rate' | 'stacks'>): Depth {
  // What it used until now is the better guess than all that it could.
  const cores = Math.min(cpus().length, loads.reduce((sum, load) => sum + load.cores, 0));
  const whole = sizeOf(loads, options, cores);
  if (!isOverBudget(whole)) return { full: loads, light: [], whole, small: false };
  const small = whole.files <= BUDGET.files && !isOverBudget(sizeOf(loads, options, cores, true));
  if (small || loads.length < 2) return { full: loads, light: [], whole, small };
  const full = chosen(loads);
  return { full, light: loads.filter((load) => !full.includes(load)), whole, small };
}

/** One rank (the lowest one; where there are none the busiest process with what it started) and its busiest worker. */
function chosen(loads: readonly ProcessLoad[]): ProcessLoad[] {
  const working = loads.filter((load) => !load.launcher);
  const candidates = working.length > 0 ? working : loads;
  const pids = new Map(candidates.map((load) => [load.pid, load]));
  // Workers inherit the rank of their process: the one whose parent is not of its rank is the rank itself.
  const heads = candidates.filter((load) => {
    const parent = pids.get(load.ppid);
    return parent === undefined || parent.rank !== load.rank;
  });
  const ranked = heads.filter((load) => load.rank !== null).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  const head = ranked.at(0) ?? [...heads].sort((a, b) => treeCores(b, candidates) - treeCores(a, candidates))[0];
  const workers = candidates.filter((load) => load !== head && isBelow(load, head, pids)).sort((a, b) => b.cores - a.cores);
  return workers.length > 0 ? [head, workers[0]] : [head];
}

function treeCores(head: ProcessLoad, loads: readonly ProcessLoad[]): number {
  const pids = new Map(loads.map((load) => [load.pid, load]));
  return loads.reduce((sum, load) => sum + (load === head || isBelow(load, head, pids) ? load.cores : 0), 0);
}

function isBelow(load: ProcessLoad, head: ProcessLoad, pids: ReadonlyMap<number, ProcessLoad>): boolean {
  let at = pids.get(load.ppid);
  for (let steps = 0; at !== undefined && steps < 100; steps++, at = pids.get(at.ppid)) if (at === head) return true;
  return false;
}

/** What was left light, for a notice. `python`: a profiler looks at those processes too. */
export function lightText(depth: Depth, python: boolean): string {
  const { full, light, whole } = depth;
  const threads = full.reduce((sum, load) => sum + load.threads, 0);
  const rank = full[0]?.rank;
  const who = rank === null || rank === undefined ? `process ${full[0]?.pid ?? 0}` : `rank ${rank}`;
  const worker = full.length > 1 ? ' and its busiest worker' : '';
  const rest = light.length === 1 ? 'The other process is' : `The other ${formatCount(light.length)} processes are`;
  return `All ${formatCount(whole.processes)} processes in full would take ${sizeText(whole)}. ${capital(who)}${worker} (${counted(threads, 'thread')}) ${full.length > 1 ? 'are' : 'is'} recorded in full. ` +
    `${rest} recorded lightly: ${python ? 'Python stacks 20 times a second, and ' : ''}CPU and memory over time.`;
}

/** `51 200 perf files, 80 MB a second, 8.6 GB of disk an hour`. */
export function sizeText(size: Pick<Size, 'files' | 'bytes' | 'disk'>): string {
  return `${formatCount(size.files)} perf files, ${bytesText(size.bytes)} a second, ${bytesText(size.disk)} of disk an hour`;
}

/** What smaller stacks are for, for a notice. */
export function smallText({ whole }: Depth): string {
  return `2 KB of stack are copied with each wait instead of 4: that would take ${bytesText(whole.bytes)} a second, ${bytesText(whole.disk)} of disk an hour. Deep stacks are completed from earlier ones of their thread, or cut.`;
}

function bytesText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

export function counted(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? '' : 's'}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Switches of a thread since it began, from its status (proc(5)). */
function switchesOf(status: string): number {
  let sum = 0;
  for (const match of status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)/gm)) sum += Number(match[1]);
  return sum;
}
