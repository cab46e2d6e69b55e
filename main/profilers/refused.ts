// System calls that a seccomp filter refuses us, found out by trying them: a filter cannot be read, and a container's default one differs by its
// version, its kernel and its capabilities.
import { execFile } from 'node:child_process';
import { findTool } from './find-tool.ts';
import type { SystemFacts } from './system.ts';
import { containerRemedy } from './system.ts';
import type { Check } from '#core/protocol/api';

export interface Refused {
  /** perf_event_open, which perf needs. */
  readonly perf: boolean;
  /** process_vm_readv, which py-spy needs. */
  readonly memory: boolean;
}

const NOTHING: Refused = { perf: false, memory: false };
const PATIENCE_MS = 3000;

// Both calls on the asking process itself, which every permission but a filter allows: a clock event of the program's own time, one byte of its memory.
const TRY = `
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
numbers = {'x86_64': (298, 310), 'aarch64': (241, 270)}.get(platform.machine())
class Part(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
if numbers:
    attr = (ctypes.c_ubyte * 128)()
    attr[0] = 1
    attr[4] = 128
    attr[40] = 0x61
    event = libc.syscall(numbers[0], attr, 0, -1, -1, ctypes.c_ulong(8))
    error = ctypes.get_errno()
    source, sink = ctypes.create_string_buffer(b'x', 1), ctypes.create_string_buffer(1)
    a, b = Part(ctypes.addressof(sink), 1), Part(ctypes.addressof(source), 1)
    import os
    read = libc.syscall(numbers[1], os.getpid(), ctypes.byref(a), ctypes.c_ulong(1), ctypes.byref(b), ctypes.c_ulong(1), ctypes.c_ulong(0))
    print('refused' if event < 0 and error in (1, 13, 38) else 'allowed', 'allowed' if read == 1 else 'refused')
`;

let known: Promise<Refused> | null = null;

/** What a filter refuses this process. Asked once: filters are never taken back. Never rejects. */
export function refusedHere(system: SystemFacts): Promise<Refused> {
  if (!system.seccomp) return Promise.resolve(NOTHING);
  known ??= tryCalls();
  return known;
}

function tryCalls(): Promise<Refused> {
  // No Python, no answer: then a profiler's own message says what it was refused.
  const python = findTool('python3');
  if (python === null) return Promise.resolve(NOTHING);
  return new Promise((resolve) => {
    execFile(python, ['-I', '-S', '-c', TRY], { timeout: PATIENCE_MS, encoding: 'utf8' }, (_error, stdout) => {
      const [perf, memory] = stdout.trim().split(' ');
      resolve({ perf: perf === 'refused', memory: memory === 'refused' });
    });
  });
}

/** A check of perf or py-spy with what the filter says of it. */
export function withRefused(check: Check, refused: Refused, system: SystemFacts): Check {
  if (check.state !== 'ready' && check.state !== 'partly') return check;
  const call = check.profiler === 'perf' && refused.perf ? 'perf_event_open' : check.profiler === 'py-spy' && refused.memory ? 'process_vm_readv' : '';
  if (call === '') return check;
  const text = `A seccomp filter refuses ${call} here, which ${check.profiler} needs.`;
  if (system.container === '') return { ...check, state: 'no', text, command: '' };
  const remedy = containerRemedy(system);
  return { ...check, state: 'fix', text: `${text} ${remedy.text}`, command: remedy.command };
}
