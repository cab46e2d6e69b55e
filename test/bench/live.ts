// Real recordings of real programs through the same threads as the window's.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CallTree } from '#core/analyze/call-tree';
import { layout } from '#core/analyze/layout';
import { EVERYTHING } from '#core/analyze/view';
import { applyDelta, startCursor } from '#core/model/delta';
import type { Lane, LaneKind } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { Profiles } from '../../main/app/profiles.ts';
import { startOf } from '../../main/processes/identity.ts';
import { startRecording } from '../../main/record/start.ts';
import type { Figure } from './report.ts';
import { median, ms, quantile } from './report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const VIEWPORT = { width: 1400, from: 0, to: 1, root: -1, order: 'alphabetical', minWidth: 1.5, firstRow: 0, rows: 60 } as const;
const TICK = 150;
const HALF_DAY = 12 * 3600;

export interface Live {
  readonly title: string;
  readonly argv: readonly string[];
  readonly lanes?: readonly LaneKind[];
  readonly seconds?: number;
  /** Bytes on disk and in memory, extrapolated, and the time to open it again. */
  readonly long?: boolean;
}

/** Records a program for some seconds as a window does: a pull each 150 ms, applied, every lane laid out. */
export async function live({ title, argv, lanes = FIRST_OPTIONS.lanes, seconds = 12, long = false }: Live): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), 'flamebench-bench-'));
  const target: ChildProcess = spawn(argv[0], argv.slice(1), { cwd: ROOT, stdio: 'ignore' });
  const pid = target.pid ?? 0;
  await new Promise((next) => setTimeout(next, 3000));
  if (target.exitCode !== null) return [{ what: title, value: `not run: ${argv.join(' ')} ended with ${target.exitCode}`, aim: '' }];

  const loop = monitorEventLoopDelay({ resolution: 5 });
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const memoryBefore = process.memoryUsage().rss;
  const recording = await startRecording({
    target: { kind: 'attach', processes: [{ pid, start: startOf(pid) ?? 0 }], children: true }, options: { ...FIRST_OPTIONS, lanes }, terminal: 'pty', home,
  });
  loop.enable();
  const page = new Profile();
  let cursor = startCursor();
  const first = new Map<string, number>();
  const ages: number[] = [];
  const ticks: number[] = [];
  const seen = new Map<Lane, number>();
  let half: { at: number; cpu: NodeJS.CpuUsage } | null = null;
  const trees = new Map<Lane, CallTree>();
  for (let next = performance.now(); performance.now() - began < seconds * 1000; next += TICK) {
    await new Promise((wake) => setTimeout(wake, Math.max(0, next - performance.now())));
    if (half === null && performance.now() - began > seconds * 500) half = { at: performance.now(), cpu: process.cpuUsage() };
    const answer = await recording.since(cursor);
    const at = performance.now();
    applyDelta(page, answer.bytes);
    cursor = answer.cursor;
    const cpu = page.lane('cpu', 'cpu-clock') ?? page.lane('cpu', 'cycles');
    for (const lane of lanes.length === 1 ? page.lanes.filter((one) => one === cpu) : page.lanes) {
      let tree = trees.get(lane);
      if (tree === undefined) trees.set(lane, (tree = new CallTree(page, lane, { ...EVERYTHING, stacks: 'own' }, false)));
      tree.update();
      layout(tree, VIEWPORT);
    }
    ticks.push(performance.now() - at);
    // The start of a recording is known to a millisecond, which is enough for ages of tens of them.
    const now = Date.now() - page.info.startedAt;
    for (const lane of page.lanes) {
      if (lane.rows > 0 && !first.has(lane.name)) first.set(lane.name, at - began);
      if (lane === cpu && performance.now() - began > 3000) {
        for (let row = seen.get(lane) ?? 0; row < lane.rows; row++) {
          const place = lane.locate(row);
          ages.push(now - lane.chunks[place.chunk].timeAt(place.row) / 1e6);
        }
      }
      seen.set(lane, lane.rows);
    }
  }
  loop.disable();
  const used = process.cpuUsage(cpuBefore);
  const later = half === null ? null : { took: performance.now() - half.at, ...process.cpuUsage(half.cpu) };
  const memory = process.memoryUsage().rss;
  const took = (performance.now() - began) / 1000;
  const status = recording.status();
  await recording.stop();
  target.kill('SIGKILL');

  const figures: Figure[] = [...first].map(([lane, after]) => ({ what: `${title}: start to first rows of ${lane}`, value: ms(after), aim: lane === 'py-spy' ? '2 s' : '1 s' }));
  figures.push(
    { what: `${title}: age of a CPU sample when laid out`, value: ages.length === 0 ? 'no samples' : `median ${ms(median(ages))}, p99 ${ms(quantile(ages, 0.99))} (${ages.length})`, aim: 'p99 300 ms' },
    { what: `${title}: our CPU (all threads, bench's page included)`, value: `${((used.user + used.system) / 1e4 / took).toFixed(1)} % of a core${later === null ? '' : `, ${((later.user + later.system) / 10 / later.took).toFixed(1)} % in the second half`}`, aim: '10 %' },
    { what: `${title}: the profilers' CPU`, value: status.profilerCpu === null ? 'not known' : `${status.profilerCpu.toFixed(1)} % of a core`, aim: '' },
    { what: `${title}: estimated cost on the target`, value: status.targetCost === null ? 'not known' : `${status.targetCost.toFixed(1)} %`, aim: '2 % at 99 Hz' },
    { what: `${title}: samples, lost`, value: `${status.samples}, ${status.lost}`, aim: '0 lost' },
    { what: `${title}: a tick in the page (apply, ${trees.size === 1 ? 'tree' : `${trees.size} trees`}, layout)`, value: `${ms(median(ticks))} (p99 ${ms(quantile(ticks, 0.99))})`, aim: '8 ms a lane' },
    { what: `${title}: event loop delay of main`, value: `p99 ${ms(loop.percentile(99) / 1e6)}, largest ${ms(loop.max / 1e6)}`, aim: 'p99 50 ms' },
  );
  if (long) figures.push(...await afterwards({ title, folder: recording.folder, seconds: took, memory: memory - memoryBefore, page }));
  await recording.dispose();
  rmSync(home, { recursive: true, force: true });
  return figures;
}

async function afterwards({ title, folder, seconds, memory, page }: { title: string; folder: string; seconds: number; memory: number; page: Profile }): Promise<Figure[]> {
  const times = HALF_DAY / seconds;
  const rows = page.lanes.reduce((sum, lane) => sum + lane.rows, 0);
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const figures: Figure[] = [];
  for (const part of ['streams', 'deltas.bin', 'tables']) {
    const bytes = sizeOf(join(folder, part));
    figures.push({ what: `${title}: ${part} after ${seconds.toFixed(0)} s`, value: `${mb(bytes)}, 12 hours at this rate ${mb(bytes * times)}`, aim: part === 'streams' ? 'newest 20 GB are kept' : '' });
  }
  figures.push({ what: `${title}: rows in all lanes`, value: `${rows}, 12 hours at this rate ${(rows * times / 1e6).toFixed(0)} M`, aim: 'a lane thins itself at 20 M' });
  figures.push({ what: `${title}: memory that this process grew by (threads and page)`, value: mb(memory), aim: '' });
  const began = performance.now();
  const profiles = new Profiles({ listChanged: () => undefined, statusChanged: () => undefined });
  const ref = await profiles.openPath(folder);
  let cursor = startCursor();
  const again = new Profile();
  for (let complete = false; !complete;) {
    const delta = await profiles.get(ref).since(cursor);
    applyDelta(again, delta.bytes);
    ({ cursor, complete } = delta);
  }
  figures.push({ what: `${title}: open it again, every row in the page`, value: ms(performance.now() - began), aim: '' });
  return figures;
}

function sizeOf(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0) : stat.size;
}
