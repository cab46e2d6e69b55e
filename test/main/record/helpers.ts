import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Report {
  readonly folder?: string;
  readonly samples?: number;
  readonly children?: readonly number[];
  readonly hup?: boolean;
  readonly phase?: string;
  readonly end?: { readonly error: string; readonly exitCode: number | null; readonly signal: number | null };
  readonly notices?: readonly { readonly id: string; readonly text: string }[];
}

/** Runs test/main/record/host.ts and waits for what it reports. */
export class Host {
  readonly child: ChildProcess;
  readonly reports: Report[] = [];
  readonly exited: Promise<void>;
  #stderr = '';
  #wake: (() => void)[] = [];

  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    this.child = spawn(process.execPath, [fileURLToPath(new URL('./host.ts', import.meta.url)), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment },
    });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error('the host has no pipes');
    createInterface({ input: stdout }).on('line', (line) => {
      this.reports.push(JSON.parse(line) as Report);
      for (const wake of this.#wake.splice(0)) wake();
    });
    stderr.on('data', (piece: Buffer) => { this.#stderr += piece.toString(); });
    this.exited = new Promise((resolve) => {
      this.child.once('exit', () => {
        for (const wake of this.#wake.splice(0)) wake();
        resolve();
      });
    });
  }

  /** The first report that fits, past or to come. */
  async until(fits: (report: Report) => boolean): Promise<Report> {
    for (;;) {
      const found = this.reports.find(fits);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`the host ended: ${this.#stderr}`);
      await new Promise<void>((resolve) => { this.#wake.push(resolve); });
    }
  }
}

/** Whether a process runs (a zombie does not). */
export function runs(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Starts a program and waits for its first output. */
export async function startTarget(argv: readonly string[], children: ChildProcess[]): Promise<number> {
  const child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise((ready) => child.stdout?.once('data', ready));
  return child.pid ?? 0;
}

export const BUSY_PYTHON = `
import sys
def hot():
    return sum(i * i for i in range(2000))
def main():
    print('ready', flush=True)
    while True:
        hot()
main()
`;
