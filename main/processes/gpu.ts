// GPU memory of processes, from nvidia-smi: asked in the background, at most every two seconds, and only where there is a GPU.
import { execFile } from 'node:child_process';
import { nvidiaSmi } from './nvidia.ts';

const EVERY_MS = 2000;
const ANSWER_MS = 3000;
const MIB = 1024 * 1024;

export interface GpuUse {
  /** Number of the card; of several the one with most of the process's memory. */
  readonly gpu: number | null;
  /** Bytes, on all cards. */
  readonly memory: number | null;
}

/** Takes the answers apart: `pid, gpu_uuid, used_memory` a line, and `index, uuid` a line. */
export function readGpuProcesses(apps: string, cards: string): Map<number, GpuUse> {
  const numbers = new Map<string, number>();
  for (const line of cards.split('\n')) {
    const [index, uuid] = line.split(',').map((field) => field.trim());
    if (uuid !== undefined && /^\d+$/.test(index)) numbers.set(uuid, Number(index));
  }
  const found = new Map<number, GpuUse>();
  const largest = new Map<number, number>();
  for (const line of apps.split('\n')) {
    const [pid, uuid, memory] = line.split(',').map((field) => field.trim());
    if (uuid === undefined || !/^\d+$/.test(pid)) continue;
    // `[N/A]` in a container that does not see its own processes' numbers, and on MIG.
    const bytes = /^\d+$/.test(memory ?? '') ? Number(memory) * MIB : null;
    const before = found.get(Number(pid));
    const card = numbers.get(uuid) ?? null;
    const more = (bytes ?? 0) >= (largest.get(Number(pid)) ?? -1);
    if (more) largest.set(Number(pid), bytes ?? 0);
    found.set(Number(pid), { gpu: more ? card : before?.gpu ?? card, memory: bytes === null ? before?.memory ?? null : bytes + (before?.memory ?? 0) });
  }
  return found;
}

/** GPU use by pid as of the last answer. */
export class GpuProcesses {
  #uses: ReadonlyMap<number, GpuUse> = new Map();
  #askedAt = -Infinity;
  readonly #program: string | null;

  /** `program` stands in for nvidia-smi, in tests. */
  constructor(program: string | null = nvidiaSmi()) {
    this.#program = program;
  }

  /** What is known now; asks again where that is old. The first call knows nothing yet. */
  uses(): ReadonlyMap<number, GpuUse> {
    const now = performance.now();
    if (this.#program !== null && now - this.#askedAt > EVERY_MS) {
      this.#askedAt = now;
      void this.ask();
    }
    return this.#uses;
  }

  /** Asks now. Never throws: a driver that does not answer leaves nothing known. */
  async ask(): Promise<void> {
    if (this.#program === null) return;
    const [apps, cards] = await Promise.all([
      answerOf(this.#program, ['--query-compute-apps=pid,gpu_uuid,used_memory', '--format=csv,noheader,nounits']),
      answerOf(this.#program, ['--query-gpu=index,uuid', '--format=csv,noheader']),
    ]);
    this.#uses = readGpuProcesses(apps, cards);
  }
}

/** What it prints; '' where it fails. */
function answerOf(program: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(program, [...argv], { timeout: ANSWER_MS, killSignal: 'SIGKILL', encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } }, (error, stdout) => resolve(error === null ? stdout : ''));
  });
}
