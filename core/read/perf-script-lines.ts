// What one line of `perf script` text says. Written by builtin-script.c and evsel_fprintf.c of Linux' tools/perf (v6.12):
//   comm pid[/tid] [cpu] time: period event: [trace]
//   <tab>address symbol+0xoffset (object)
// Every field of the first line may be missing (`-F`), and without call chains the frame stands on the same line.
import type { LaneFacts } from '#core/model/lane';
import type { FunctionFacts } from '#core/model/tables';

export interface HeaderLine {
  readonly comm: string;
  /** -1 where perf did not print it. */
  readonly pid: number;
  readonly tid: number;
  /** Nanoseconds since boot, -1 where not printed. */
  readonly time: number;
  /** -1 where not printed. */
  readonly period: number;
  /** '' where not printed. */
  readonly event: string;
  /** What stands behind the event: a tracepoint's fields, or a frame. */
  readonly trace: string;
}

/** Longer lines are no first lines: the bound keeps the expressions' work small. */
export const HEADER_LIMIT = 8192;

const TIME = /(?:^|\s)(\d+)\.(\d{1,9}):(?=\s|$)/;
// What ends the text before the time: tid or pid/tid, perhaps letters of -F misc, perhaps the CPU.
const WHO_AT_END = /(?:^|\s)(-?\d+)(?:\/(-?\d+))?(?:\s+[A-Za-z-]{1,4})?(?:\s+\[\d+\])?$/;
const CPU_AT_END = /(?:^|\s)\[\d+\]$/;
const AFTER_TIME = /^\s*(?:(\d+)\s+)?(?:(\S+):(?:\s+(.*))?)?$/s;
// Lines without a time, their spaces made single before.
const NO_TIME = /^(\S.*?) (-?\d+)(?:\/(-?\d+))?(?: \[\d+\])?(?: (\d+))? (\S*[^\s:\d/]\S*):(?: (.*))?$/s;
const ONLY_WHO = /^(\S.*?) (\d+)(?:\/(\d+))?(?: \[\d+\])?$/s;
const NO_TIME_LIMIT = 1024;

/** A line as the first line of a sample; null where it is none. */
export function parseHeader(line: string): HeaderLine | null {
  const time = TIME.exec(line);
  if (time !== null) {
    const head = line.slice(0, time.index).trim();
    const who = WHO_AT_END.exec(head);
    const what = AFTER_TIME.exec(line.slice(time.index + time[0].length));
    if (what === null) return null;
    return {
      comm: (who === null ? head.replace(CPU_AT_END, '') : head.slice(0, who.index)).trim(),
      ...ids(who?.[1], who?.[2]),
      time: Number(time[1]) * 1e9 + Number(time[2].padEnd(9, '0')),
      period: what[1] === undefined ? -1 : Number(what[1]),
      event: what[2] ?? '',
      trace: what[3] ?? '',
    };
  }
  if (line.length > NO_TIME_LIMIT) return null;
  const single = line.trim().replace(/\s+/g, ' ');
  const plain = NO_TIME.exec(single);
  if (plain !== null) {
    return {
      comm: plain[1], ...ids(plain[2], plain[3]), time: -1,
      period: plain[4] === undefined ? -1 : Number(plain[4]), event: plain[5], trace: plain[6] ?? '',
    };
  }
  const who = line.startsWith(' ') || line.startsWith('\t') ? null : ONLY_WHO.exec(single);
  if (who === null || /^[0-9a-f]+$/.test(who[1])) return null;
  return { comm: who[1], ...ids(who[2], who[3]), time: -1, period: -1, event: '', trace: '' };
}

function ids(first: string | undefined, second: string | undefined): { pid: number; tid: number } {
  if (first === undefined) return { pid: -1, tid: -1 };
  // One number alone is the tid: perf prints pid only with -F pid.
  if (second === undefined) return { pid: -1, tid: Number(first) };
  return { pid: Number(first), tid: Number(second) };
}

export interface FrameLine {
  readonly symbol: string;
  /** Path of the object, '' where not printed. */
  readonly object: string;
  /** `file:line` that followed, '' mostly. */
  readonly place: string;
}

const PLACE_AT_END = /\)\s+(\S+:\d+)$/;

/** What follows the address of a frame line; null where it is none. `symbol (object)`, `symbol` or `(object)`. */
export function parseFrame(rest: string): FrameLine | null {
  let text = rest.trim();
  if (text === '') return null;
  const place = PLACE_AT_END.exec(text)?.[1] ?? '';
  if (place !== '') text = text.slice(0, text.length - place.length).trimEnd();
  if (text.endsWith(')')) {
    const open = text.lastIndexOf(' (');
    if (open > 0) return { symbol: withoutOffset(text.slice(0, open)), object: text.slice(open + 2, -1), place };
    if (text.startsWith('(')) return { symbol: '[unknown]', object: text.slice(1, -1), place };
  }
  return { symbol: withoutOffset(text), object: '', place };
}

function withoutOffset(symbol: string): string {
  return symbol.replace(/\+0x[\da-f]+$/, '');
}

/** Base name of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function isKernelObject(object: string): boolean {
  if (object.startsWith('[')) return !/^\[(unknown|vdso|vdso32|vsyscall|heap|stack.*|anon.*|vvar)\]$/.test(object);
  return /(^|\/)vmlinux[^/]*$|\.ko(\.(xz|gz|zst))?$|^bpf_prog_/.test(object);
}

/** Longer names are taken as they are: the bound keeps the expressions' work small. */
const CLASSIFY_LIMIT = 2048;
const PERF_MAP = /(^|\/)perf-\d+\.map$/;

/** The function of a frame line: what it is called and of which kind it is. */
export function functionOf(frame: FrameLine, comm: string): FunctionFacts {
  const { symbol, object } = frame;
  const library = baseName(object);
  if (symbol === '[unknown]' || symbol === '') {
    if (object === '' || object === '[unknown]') return { name: '[unknown]', kind: 'unknown' };
    const kernel = isKernelObject(object);
    return { name: library.startsWith('[') ? library : `[${library}]`, library: kernel ? '[kernel]' : library, kind: kernel ? 'kernel' : 'native' };
  }
  if (isKernelObject(object)) return { name: symbol, library: '[kernel]', kind: 'kernel' };
  if (symbol.length > CLASSIFY_LIMIT) return { name: symbol, library: object === 'inlined' || object === '[unknown]' ? '' : library, kind: 'native' };
  if (PERF_MAP.test(object)) {
    // Python's own trampolines are named `py::function:file`.
    const python = /^py::(.+?):(\/.*|<.*>|[^:]*\.py)$/.exec(symbol);
    if (python !== null) return { name: python[1], file: python[2], kind: 'python' };
    const script = /^(?:(?:JS|LazyCompile|Function|Script|Eval|RegExp|Interpreted|Builtin):)[*~^+']*/.exec(symbol);
    if (script !== null) {
      const at = /^(.*?) ((?:file:|node:|\/).*?)(?::\d+)?(?::\d+)?$/.exec(symbol.slice(script[0].length));
      return { name: at?.[1] || symbol.slice(script[0].length) || symbol, file: at?.[2] ?? '', kind: 'javascript' };
    }
    return { name: symbol, library: 'perf map', kind: comm.startsWith('java') || /^L[\w/$]+;/.test(symbol) ? 'java' : 'unknown' };
  }
  const place = /^(.*):\d+$/.exec(frame.place);
  const rust = /::h[0-9a-f]{16}$|\.rs$/.test(symbol) || /^(<?(core|alloc|std)::)/.test(symbol) && !/^std::(?!rt::|sys|thread::|panic)/.test(symbol);
  return {
    name: symbol, file: place?.[1] ?? '', library: object === 'inlined' || object === '[unknown]' ? '' : library,
    kind: rust ? 'rust' : object === '[unknown]' ? 'unknown' : 'native',
  };
}

/** `cycles` of `cycles:u`, `cpu_core/cycles/u`, `cpu-clock` of `cpu-clock/freq=99/`. */
function eventBase(name: string): string {
  const parts = /^([^/]+)\/([^/]*)\/\w*$/.exec(name);
  if (parts === null) return name.replace(/:[ukhvpPGHSDIWeb]+$/, '');
  const term = parts[2].split(',')[0];
  return term === '' || term.includes('=') ? parts[1] : term;
}

/** The lane of an event. Periods of clocks are nanoseconds; without periods every sample counts one. */
export function laneOf(event: string, hasPeriods: boolean): LaneFacts {
  const name = event === '' ? 'samples' : event;
  const base = eventBase(name);
  const source = `perf script, ${name}`;
  if (base === 'cpu-clock' || base === 'task-clock') {
    return { kind: 'cpu', unit: hasPeriods ? 'ns' : 'count', name, source };
  }
  if (/^(samples|cycles|cpu-cycles|ref-cycles)$/.test(base)) return { kind: 'cpu', unit: 'count', name, source };
  if (/^((page|minor|major)-faults|faults|exceptions:page_fault_.*)$/.test(base)) return { kind: 'faults', unit: 'count', name, source };
  return { kind: 'other', unit: 'count', name, source };
}
