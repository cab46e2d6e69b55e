// Numbers and layouts of perf's records. Source: include/uapi/linux/perf_event.h and tools/lib/perf/include/perf/event.h of
// Linux (https://github.com/torvalds/linux/blob/v6.18/include/uapi/linux/perf_event.h); tools/perf/Documentation/perf.data-file-format.txt.

/** Types of record: below 64 the kernel wrote it, from 64 on perf did. */
export const RECORD = {
  MMAP: 1, LOST: 2, COMM: 3, EXIT: 4, THROTTLE: 5, UNTHROTTLE: 6, FORK: 7, READ: 8, SAMPLE: 9, MMAP2: 10, AUX: 11,
  ITRACE_START: 12, LOST_SAMPLES: 13, SWITCH: 14, SWITCH_CPU_WIDE: 15, NAMESPACES: 16, KSYMBOL: 17, BPF_EVENT: 18, CGROUP: 19,
  TEXT_POKE: 20, AUX_OUTPUT_HW_ID: 21, CALLCHAIN_DEFERRED: 22,
  HEADER_ATTR: 64, EVENT_TYPE: 65, TRACING_DATA: 66, BUILD_ID: 67, FINISHED_ROUND: 68, ID_INDEX: 69, AUXTRACE_INFO: 70,
  AUXTRACE: 71, AUXTRACE_ERROR: 72, THREAD_MAP: 73, CPU_MAP: 74, STAT_CONFIG: 75, STAT: 76, STAT_ROUND: 77, EVENT_UPDATE: 78,
  TIME_CONV: 79, HEADER_FEATURE: 80, COMPRESSED: 81, FINISHED_INIT: 82, COMPRESSED2: 83, BPF_METADATA: 84,
} as const;

/** The last type of record the kernel writes that we know, and the last of perf's own. */
export const LAST_KERNEL_RECORD = 22;
export const LAST_TOOL_RECORD = 84;

/** Bits of `misc` in a record's header. */
export const MISC_CPUMODE = 7;
export const CPUMODE_KERNEL = 1;
export const CPUMODE_USER = 2;
export const MISC_MMAP_DATA = 1 << 13;
export const MISC_COMM_EXEC = 1 << 13;
export const MISC_SWITCH_OUT = 1 << 13;
export const MISC_SWITCH_OUT_PREEMPT = 1 << 14;
export const MISC_MMAP_BUILD_ID = 1 << 14;

/** Bits of attr.sample_type that come before the variable part of a sample, or that we read. */
export const SAMPLE = {
  IP: 1 << 0, TID: 1 << 1, TIME: 1 << 2, ADDR: 1 << 3, READ: 1 << 4, CALLCHAIN: 1 << 5, ID: 1 << 6, CPU: 1 << 7, PERIOD: 1 << 8,
  STREAM_ID: 1 << 9, RAW: 1 << 10, BRANCH_STACK: 1 << 11, REGS_USER: 1 << 12, STACK_USER: 1 << 13, IDENTIFIER: 1 << 16,
} as const;

/** Header features that we read. */
export const FEATURE = { BUILD_ID: 2, HOSTNAME: 3, OSRELEASE: 4, VERSION: 5, ARCH: 6, CMDLINE: 11, EVENT_DESC: 12, CLOCK_DATA: 29 } as const;

/** Where a type of event comes from (attr.type). */
export const TYPE_HARDWARE = 0;
export const TYPE_SOFTWARE = 1;
export const TYPE_TRACEPOINT = 2;

const HARDWARE_NAMES = [
  'cycles', 'instructions', 'cache-references', 'cache-misses', 'branches', 'branch-misses', 'bus-cycles', 'stalled-cycles-frontend',
  'stalled-cycles-backend', 'ref-cycles',
];
const SOFTWARE_NAMES = [
  'cpu-clock', 'task-clock', 'page-faults', 'context-switches', 'cpu-migrations', 'minor-faults', 'major-faults', 'alignment-faults',
  'emulation-faults', 'dummy', 'bpf-output', 'cgroup-switches',
];

/** What an event is called by its type and config, '' where only the recording can say it. `config` is the low 32 bits. */
export function eventName(type: number, config: number): string {
  if (type === TYPE_HARDWARE) return HARDWARE_NAMES[config] ?? '';
  if (type === TYPE_SOFTWARE) return SOFTWARE_NAMES[config] ?? '';
  return '';
}

const TWO32 = 0x1_0000_0000;

/** An unsigned 64-bit number as a double: exact below 2^53. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * TWO32;
}

/** The low 48 bits of an address: exact, enough for any kernel address of x86-64 and ARM64. */
export function low48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * TWO32;
}

const text = new TextDecoder();

/** Bytes up to the first NUL or `end`, as text. */
export function cString(bytes: Uint8Array, from: number, end: number): string {
  let to = from;
  while (to < end && bytes[to] !== 0) to++;
  return text.decode(bytes.subarray(from, to));
}

/** `length` bytes as lower-case hex. */
export function hex(bytes: Uint8Array, from: number, length: number): string {
  let out = '';
  for (let i = from; i < from + length; i++) out += bytes[i].toString(16).padStart(2, '0');
  return out;
}
