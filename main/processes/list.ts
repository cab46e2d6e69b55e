import { setImmediate as breathe } from 'node:timers/promises';
import type { ProcessRow, Runtime } from '#core/protocol/api';
import { GpuProcesses } from './gpu.ts';
import { FORKING_MASTERS, isLauncher, nameOf } from './names.ts';
import { argvOf, numbersIn, parseStat, readProc, readProcLink, TICKS_PER_SECOND } from './proc.ts';
import { ranksOf } from './rank.ts';
import { runtimeOf } from './runtime.ts';
import { refreshUsers, userName } from './users.ts';

/** What stays true while a process runs the same program: read once. */
interface Known {
  readonly start: number;
  readonly comm: string;
  readonly uid: number;
  readonly argv: readonly string[];
  readonly name: string;
  readonly runtime: Runtime;
  readonly runtimeVersion: string;
  readonly rank: number | null;
  readonly worldSize: number | null;
  readonly container: string;
  readonly launcher: boolean;
  /** Read again at the next listing: the process was so young that it may still load its interpreter or exec. */
  readonly young: boolean;
  ticks: number;
  /** Monotonic ns of `ticks`. */
  at: number;
}

/** A process of this age has called exec and loaded its libraries. */
const SETTLED_SECONDS = 3;
/** Processes read between two turns of the event loop: about 1 ms. */
const BATCH = 64;

/** Lists processes; keeps the last CPU times, so that the next listing can tell percentages. */
export class ProcessLister {
  #known = new Map<number, Known>();
  #bootMs = 0;
  #running: Promise<ProcessRow[]> | null = null;
  #gpus: GpuProcesses | null = null;

  /**
   * All processes that can be seen, in order of pid, zombies left out. Percentages are of one core since the last
   * listing. A process that vanishes meanwhile is left out; nothing is thrown. Calls that overlap share one listing.
   */
  list(): Promise<ProcessRow[]> {
    this.#running ??= this.#list().finally(() => { this.#running = null; });
    return this.#running;
  }

  async #list(): Promise<ProcessRow[]> {
    refreshUsers();
    if (this.#bootMs === 0) this.#bootMs = bootTime();
    const uptime = Number(readProc('/proc/uptime')?.split(' ')[0] ?? 0);
    const me = process.getuid?.() ?? -1;
    this.#gpus ??= new GpuProcesses();
    const gpus = this.#gpus.uses();
    const pids = numbersIn('/proc').sort((a, b) => a - b);
    const next = new Map<number, Known>();
    const rows: ProcessRow[] = [];
    for (let i = 0; i < pids.length; i++) {
      if (i % BATCH === BATCH - 1) await breathe();
      const pid = pids[i];
      const text = readProc(`/proc/${pid}/stat`);
      const stat = text === null ? null : parseStat(text);
      if (stat === null || stat.state === 'Z' || stat.state === 'X') continue;
      const now = Number(process.hrtime.bigint());
      const before = this.#known.get(pid);
      const same = before !== undefined && before.start === stat.start;
      const known = same && before.comm === stat.comm && !before.young
        ? before : look(pid, stat.comm, stat.start, stat.kernel, uptime - stat.start / TICKS_PER_SECOND);
      const cpu = same && now > before.at
        ? Math.max(0, (stat.ticks - before.ticks) * (1e9 / TICKS_PER_SECOND) / (now - before.at) * 100) : null;
      known.ticks = stat.ticks;
      known.at = now;
      next.set(pid, known);
      const use = gpus.get(pid);
      rows.push({
        pid, ppid: stat.ppid, start: stat.start, startedAt: Math.round(this.#bootMs + stat.start * (1000 / TICKS_PER_SECOND)),
        user: userName(known.uid), name: known.name, argv: known.argv, runtime: known.runtime, runtimeVersion: known.runtimeVersion,
        rank: known.rank, worldSize: known.worldSize, container: known.container, threads: stat.threads, cpu, rss: stat.rss,
        gpuMemory: use?.memory ?? null, gpu: use?.gpu ?? null, launcher: known.launcher, mine: known.uid === me && !stat.kernel,
      });
    }
    this.#known = next;
    return markMasters(rows);
  }
}

const lister = new ProcessLister();

/** All processes, with CPU percentages since the last call. See ProcessLister.list. */
export function listProcesses(): Promise<ProcessRow[]> {
  return lister.list();
}

function look(pid: number, comm: string, start: number, kernel: boolean, age: number): Known {
  const rest = { start, comm, ticks: 0, at: 0, young: age < SETTLED_SECONDS };
  if (kernel) {
    return { ...rest, uid: 0, argv: [], name: comm, runtime: 'kernel', runtimeVersion: '', rank: null, worldSize: null, container: '', launcher: false };
  }
  const argv = argvOf(pid);
  const executable = readProcLink(`/proc/${pid}/exe`) ?? '';
  const { runtime, version } = runtimeOf(pid, executable, argv);
  const name = nameOf(argv, comm, runtime, executable);
  return {
    ...rest, uid: uidOf(pid), argv, name, runtime, runtimeVersion: version,
    ...ranksOf(pid),
    container: containerOf(readProc(`/proc/${pid}/cgroup`) ?? ''), launcher: isLauncher(name, argv, executable),
  };
}

/** Real user id: the owner of /proc/PID is root for every program that may not be dumped. */
function uidOf(pid: number): number {
  const status = readProc(`/proc/${pid}/status`);
  const line = status === null ? null : /^Uid:\s+(\d+)/m.exec(status);
  return line === null ? -1 : Number(line[1]);
}

/** First 12 digits of a container's id in /proc/PID/cgroup (docker, podman, containerd, CRI-O); '' where there is none. */
export function containerOf(cgroup: string): string {
  return /(?:^|[/:-])([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?(?:$|[/\n])/m.exec(cgroup)?.[1] ?? '';
}

function bootTime(): number {
  const line = /^btime (\d+)$/m.exec(readProc('/proc/stat') ?? '');
  return line === null ? 0 : Number(line[1]) * 1000;
}

/** gunicorn, nginx and the like: a process that has children of its own name starts workers. */
function markMasters(rows: ProcessRow[]): ProcessRow[] {
  const parents = new Set<number>();
  const masters = (row: ProcessRow): string => row.name.split(':')[0];
  const byPid = new Map(rows.map((row) => [row.pid, row]));
  for (const row of rows) {
    const name = masters(row);
    const parent = byPid.get(row.ppid);
    if (parent !== undefined && FORKING_MASTERS.has(name) && masters(parent) === name) parents.add(parent.pid);
  }
  return parents.size === 0 ? rows : rows.map((row) => (parents.has(row.pid) ? { ...row, launcher: true } : row));
}
