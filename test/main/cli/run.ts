// The command line as a real child process.
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { cli } from '../../../main/cli/main.ts';

export const BIN = join(import.meta.dirname, '../../../main/cli/bin.ts');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly bytes: Buffer;
}

export function start(args: readonly string[], options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {}): ChildProcess {
  return spawn(process.execPath, [BIN, ...args], { cwd: options.cwd, env: { ...process.env, NODE_NO_WARNINGS: '1', ...options.env } });
}

export function ended(child: ChildProcess): Promise<Ended> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
  return new Promise((done) => child.on('close', (code, signal) => {
    done({ code, signal, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString(), bytes: Buffer.concat(out) });
  }));
}

/** As `flamebench`, but in this process: a start of Node less. Exit codes and streams are the same; signals and pipes are not. */
export async function inside(args: readonly string[], options: { readonly stdin?: string | Uint8Array } = {}): Promise<Ended> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const sink = (to: Buffer[]) => new Writable({ write: (chunk: Buffer, _, done) => { to.push(Buffer.from(chunk)); done(); } });
  const code = await cli(args, {
    stdin: Readable.from([Buffer.from(options.stdin ?? '')]), stdout: sink(out), stderr: sink(err), stdinIsTTY: false, stdoutIsTTY: false, stderrIsTTY: false, columns: 80,
  });
  return { code, signal: null, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString(), bytes: Buffer.concat(out) };
}

/** Runs to the end, with text on standard input where it is given. */
export async function flamebench(args: readonly string[], options: { readonly stdin?: string | Uint8Array; readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {}): Promise<Ended> {
  const child = start(args, options);
  const end = ended(child);
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.stdin ?? '');
  return await end;
}

/** A folder for one test file; `remove` at its end. */
export function scratch(): { readonly path: string; file(name: string): string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'flamebench-test-'));
  return { path, file: (name) => join(path, name), remove: () => rmSync(path, { recursive: true, force: true }) };
}
