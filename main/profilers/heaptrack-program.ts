// What a command starts, as far as heaptrack is concerned: it is loaded into the first program alone.
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';

/** Programs that become or start another one: heaptrack would see them and not what they start. */
const STARTERS = new Set(['sh', 'bash', 'dash', 'zsh', 'fish', 'ksh', 'env', 'nice', 'ionice', 'nohup', 'timeout', 'time', 'taskset', 'numactl', 'chrt', 'setsid', 'stdbuf', 'sudo', 'su', 'xvfb-run', 'catchsegv', 'mpirun', 'mpiexec', 'srun']);

export type ProgramKind = 'traced' | 'starter' | 'static' | 'other-bits' | 'privileged' | 'unknown';

export interface Program {
  readonly kind: ProgramKind;
  /** `python3`, or the shell that runs a script. */
  readonly name: string;
}

/** Looks at the file that a command starts. Never throws: what cannot be found or read is `unknown`. */
export function programOf(argv: readonly string[], directory: string, path: string): Program {
  const command = argv[0] ?? '';
  const file = fileOf(command, directory, path);
  return file === null ? { kind: 'unknown', name: basename(command) } : look(file, basename(command), directory, path, 0);
}

function look(file: string, name: string, directory: string, path: string, scripts: number): Program {
  if (STARTERS.has(basename(file))) return { kind: 'starter', name: basename(file) };
  let head: Buffer;
  let privileged: boolean;
  try {
    head = headOf(file);
    // The dynamic loader takes no LD_PRELOAD for a program with another user's rights.
    privileged = (statSync(file).mode & 0o6000) !== 0;
  } catch {
    return { kind: 'unknown', name };
  }
  if (head.subarray(0, 2).toString('latin1') === '#!') {
    // pyenv's shims and `#!/usr/bin/env NAME` are looked through at the launch (PRELOAD in heaptrack.ts).
    if (/\/shims\/[^/]+$/.test(file) && head.includes('pyenv')) return { kind: 'traced', name };
    const words = head.subarray(2, 300).toString('latin1').split('\n', 1)[0].trim().split(/\s+/);
    const [command, named] = words;
    const interpreter = fileOf(basename(command ?? '') === 'env' && words.length === 2 && /^[A-Za-z][\w.+-]*$/.test(named) ? named : command ?? '', directory, path);
    if (interpreter === null || scripts > 3) return { kind: 'unknown', name };
    return look(interpreter, basename(interpreter), directory, path, scripts + 1);
  }
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46) return { kind: 'unknown', name };
  if (privileged && process.geteuid?.() !== 0) return { kind: 'privileged', name };
  if (head[4] !== 2) return { kind: 'other-bits', name };
  return { kind: hasInterpreter(head) ? 'traced' : 'static', name };
}

/** Whether an ELF file of 64 bits names a dynamic loader (PT_INTERP). Program headers lie at the beginning in practice. */
function hasInterpreter(head: Buffer): boolean {
  const at = Number(head.readBigUInt64LE(32));
  const size = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  for (let i = 0; i < count; i++) {
    const header = at + i * size;
    if (size < 56 || header + 4 > head.length) return true;
    if (head.readUInt32LE(header) === 3) return true;
  }
  return false;
}

function headOf(file: string): Buffer {
  const fd = openSync(file, 'r');
  try {
    const head = Buffer.alloc(4096);
    return head.subarray(0, readSync(fd, head, 0, head.length, 0));
  } finally {
    closeSync(fd);
  }
}

function fileOf(command: string, directory: string, path: string): string | null {
  const candidates = command.includes('/') ? [command.startsWith('/') ? command : join(directory, command)]
    : path.split(delimiter).map((folder) => join(folder === '' ? directory : folder, command));
  for (const candidate of candidates) {
    try {
      accessSync(candidate, constants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // The next folder of PATH.
    }
  }
  return null;
}
