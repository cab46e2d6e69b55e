import { execFile } from 'node:child_process';
import { cpus, hostname, release, userInfo } from 'node:os';
import { readdirSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { UserError } from '#core/errors';

/** What is written about the machine. */
export function machineFacts(): { host: string; kernel: string; cpus: number; gpus: string[]; user: string } {
  return { host: hostname(), kernel: release(), cpus: cpus().length, gpus: gpuNames(), user: userName() };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A uid without a line in passwd, as containers have.
    return String(process.getuid?.() ?? '');
  }
}

function gpuNames(): string[] {
  try {
    return readdirSync('/proc/driver/nvidia/gpus').map((gpu) =>
      /^Model:\s*(.*)$/m.exec(readFileSync(`/proc/driver/nvidia/gpus/${gpu}/information`, 'utf8'))?.[1] ?? 'NVIDIA');
  } catch {
    // No NVIDIA driver.
    return [];
  }
}

/** git commit of a directory, with `+` where files differ from it; '' where there is none. Never longer than a second. */
export async function commitOf(directory: string): Promise<string> {
  const commit = await git(directory, ['rev-parse', '--short=12', 'HEAD']);
  if (commit === '') return '';
  const changes = await git(directory, ['status', '--porcelain', '--untracked-files=no']);
  return changes === '' ? commit : `${commit}+`;
}

function git(directory: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    // No hooks, no pager, no prompt: the directory is the target's, not ours.
    execFile('git', ['-c', 'core.fsmonitor=false', '-C', directory, ...args], { timeout: 1000, env: { PATH: process.env['PATH'], GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' } },
      (error, stdout) => resolve(error === null ? stdout.trim() : ''));
  });
}

/** The last tenth of a disk is never used. */
export interface DiskSpace {
  /** Bytes that a recording may still use; negative where the reserve is touched. */
  readonly usable: number;
  readonly free: number;
  readonly total: number;
}

export async function diskSpace(folder: string): Promise<DiskSpace> {
  const stat = await statfs(folder);
  const total = stat.blocks * stat.bsize;
  const free = stat.bavail * stat.bsize;
  return { usable: free - total / 10, free, total };
}

/** Throws UserError where the disk has no more than its last tenth left. */
export async function checkDisk(folder: string): Promise<void> {
  const space = await diskSpace(folder);
  if (space.usable > 0) return;
  throw new UserError('disk-full', `the disk of ${folder} has ${megabytes(space.free)} of ${megabytes(space.total)} left; a recording never uses the last tenth`, {
    hint: 'Make room, or set FLAMEBENCH_HOME to a folder on another disk.',
  });
}

export function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
