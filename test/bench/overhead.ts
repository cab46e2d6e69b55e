// What each source costs its target: work done with it against work done without, in turns, so that a machine that gets slower
// slows both.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaneKind } from '#core/model/lane';
import type { RecordOptions } from '#core/protocol/api';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { startOf } from '../../main/processes/identity.ts';
import { startRecording } from '../../main/record/start.ts';
import type { Figure } from './report.ts';
import { median } from './report.ts';

const TURN_MS = 2500;

/** Lines of a running program that says how much it has done. */
class Worker {
  readonly pid: number;
  readonly #child;
  #done = 0;

  constructor(argv: readonly string[]) {
    this.#child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    this.pid = this.#child.pid ?? 0;
    let text = '';
    this.#child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (text + chunk).split('\n');
      text = lines.pop() ?? '';
      if (lines.length > 0) this.#done = Number(lines[lines.length - 1]);
    });
  }

  /** Work done a second over a turn. */
  async rate(): Promise<number> {
    const from = this.#done;
    const began = performance.now();
    await pause(TURN_MS);
    return (this.#done - from) / (performance.now() - began) * 1000;
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

const pause = (ms: number): Promise<void> => new Promise((next) => { setTimeout(next, ms); });

interface Source {
  readonly name: string;
  readonly lanes: readonly LaneKind[];
  readonly options?: Partial<RecordOptions>;
}

const SOURCES: readonly Source[] = [
  { name: 'perf, CPU 99 Hz', lanes: ['cpu'], options: { profilers: ['perf'] } },
  { name: 'perf, CPU 999 Hz', lanes: ['cpu'], options: { profilers: ['perf'], rate: 999 } },
  { name: 'perf, CPU and off-CPU', lanes: ['cpu', 'off-cpu'], options: { profilers: ['perf'] } },
  { name: 'perf, CPU, off-CPU and memory', lanes: ['cpu', 'off-cpu', 'memory'], options: { profilers: ['perf'] } },
];

/** Ratios of work with each source to work without, for one program. */
export async function overhead(title: string, argv: readonly string[], turns = 3): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const source of SOURCES) {
    const worker = new Worker(argv);
    const home = mkdtempSync(join(tmpdir(), 'flamebench-bench-'));
    try {
      await pause(500);
      const ratios: number[] = [];
      for (let turn = 0; turn < turns; turn++) {
        const before = await worker.rate();
        const recording = await startRecording({
          target: { kind: 'attach', processes: [{ pid: worker.pid, start: startOf(worker.pid) ?? 0 }], children: false },
          options: { ...FIRST_OPTIONS, mostCost: 0, ...source.options, lanes: source.lanes }, terminal: 'pty', home,
        });
        while (recording.status().phase === 'starting') await pause(20);
        const during = await worker.rate();
        await recording.stop();
        await recording.dispose();
        await pause(200);
        ratios.push(during / ((before + await worker.rate()) / 2));
      }
      figures.push({ what: `${title}: ${source.name}`, value: `${median(ratios).toFixed(3)} of its speed (${ratios.map((one) => one.toFixed(3)).join(', ')})`, aim: source.name.includes('999') ? '' : 'over 0.98' });
    } finally {
      worker.end();
      rmSync(home, { recursive: true, force: true });
    }
  }
  return figures;
}
