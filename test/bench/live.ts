// Real recordings of real programs through the same threads as the window's.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { CallTree } from '#core/analyze/call-tree';
import { layout } from '#core/analyze/layout';
import { EVERYTHING } from '#core/analyze/view';
import { applyDelta, startCursor } from '#core/model/delta';
import { Profile } from '#core/model/profile';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { startOf } from '../../main/processes/identity.ts';
import { startRecording } from '../../main/record/start.ts';
import type { Figure } from './report.ts';
import { median, ms, quantile } from './report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const VIEWPORT = { width: 1400, from: 0, to: 1, root: -1, order: 'alphabetical', minWidth: 1.5, firstRow: 0, rows: 60 } as const;
const TICK = 150;

/** Records a program for some seconds as a window does: a pull each 150 ms, applied, laid out. */
export async function live(title: string, argv: readonly string[], seconds = 12): Promise<Figure[]> {
  const home = mkdtempSync(join(tmpdir(), 'flamebench-bench-'));
  const target = spawn(argv[0], argv.slice(1), { cwd: ROOT, stdio: 'ignore' });
  const pid = target.pid ?? 0;
  await new Promise((next) => setTimeout(next, 3000));
  if (target.exitCode !== null) return [{ what: title, value: `not run: ${argv.join(' ')} ended with ${target.exitCode}`, aim: '' }];

  const loop = monitorEventLoopDelay({ resolution: 5 });
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  const recording = await startRecording({
    target: { kind: 'attach', processes: [{ pid, start: startOf(pid) ?? 0 }], children: true }, options: FIRST_OPTIONS, terminal: 'pty', home,
  });
  loop.enable();
  const page = new Profile();
  let cursor = startCursor();
  const first = new Map<string, number>();
  const ages: number[] = [];
  const ticks: number[] = [];
  const seen: number[] = [];
  let tree: CallTree | null = null;
  for (let next = performance.now(); performance.now() - began < seconds * 1000; next += TICK) {
    await new Promise((wake) => setTimeout(wake, Math.max(0, next - performance.now())));
    const answer = await recording.since(cursor);
    const at = performance.now();
    applyDelta(page, answer.bytes);
    cursor = answer.cursor;
    const cpu = page.lane('cpu', 'cpu-clock') ?? page.lane('cpu', 'cycles');
    if (cpu !== null) {
      tree ??= new CallTree(page, cpu, { ...EVERYTHING, stacks: 'own' }, false);
      tree.update();
      layout(tree, VIEWPORT);
    }
    ticks.push(performance.now() - at);
    // The start of a recording is known to a millisecond, which is enough for ages of tens of them.
    const now = Date.now() - page.info.startedAt;
    page.lanes.forEach((lane, i) => {
      if (lane.rows > 0 && !first.has(lane.name)) first.set(lane.name, at - began);
      if (lane !== cpu || performance.now() - began < 3000) { seen[i] = lane.rows; return; }
      for (let row = seen[i] ?? 0; row < lane.rows; row++) {
        const place = lane.locate(row);
        ages.push(now - lane.chunks[place.chunk].timeAt(place.row) / 1e6);
      }
      seen[i] = lane.rows;
    });
  }
  loop.disable();
  const used = process.cpuUsage(cpuBefore);
  const took = (performance.now() - began) / 1000;
  const status = recording.status();
  await recording.stop();
  target.kill('SIGKILL');
  await recording.dispose();
  rmSync(home, { recursive: true, force: true });

  const figures: Figure[] = [...first].map(([lane, after]) => ({ what: `${title}: start to first rows of ${lane}`, value: ms(after), aim: lane === 'py-spy' ? '2 s' : '1 s' }));
  figures.push(
    { what: `${title}: age of a sample when laid out`, value: `median ${ms(median(ages))}, p99 ${ms(quantile(ages, 0.99))} (${ages.length})`, aim: 'p99 300 ms' },
    { what: `${title}: our CPU (all threads, bench's page included)`, value: `${((used.user + used.system) / 1e4 / took).toFixed(1)} % of a core`, aim: '10 %' },
    { what: `${title}: the profilers' CPU`, value: status.profilerCpu === null ? 'not known' : `${status.profilerCpu.toFixed(1)} % of a core`, aim: '' },
    { what: `${title}: samples, lost`, value: `${status.samples}, ${status.lost}`, aim: '0 lost' },
    { what: `${title}: a tick in the page (apply, tree, layout)`, value: `${ms(median(ticks))} (p99 ${ms(quantile(ticks, 0.99))})`, aim: '8 ms' },
    { what: `${title}: event loop delay of main`, value: `p99 ${ms(loop.percentile(99) / 1e6)}, largest ${ms(loop.max / 1e6)}`, aim: 'p99 50 ms' },
  );
  return figures;
}
