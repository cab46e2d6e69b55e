// The keys and categories of a Kineto trace that we look at, as small numbers: a key that is none of them costs no string.
// Source: pytorch/kineto libkineto/src/output_json.cpp and include/ActivityType.h; the old names are of 2021.
import { ByteTable } from '../byte-table.ts';

const ENCODER = new TextEncoder();

/** Words with their numbers: their places in the list. */
export interface Words {
  readonly table: ByteTable;
  /** By length and first byte: whether a word is such. Most keys are told to be none of ours by that alone. */
  readonly such: Uint8Array;
}

export function wordsOf(words: readonly string[]): Words {
  const table = new ByteTable();
  for (const word of words) {
    const bytes = ENCODER.encode(word);
    if (table.find(bytes, 0, bytes.length) < 0) table.add(bytes, 0, bytes.length);
  }
  const such = new Uint8Array(32 * 128);
  for (const word of words) such[word.length * 128 + word.charCodeAt(0)] = 1;
  return { table, such };
}

/** The number of a word, -1 where it is none of them. */
export function known(words: Words, bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length === 0 || length >= 32 || bytes[start] >= 128 || words.such[length * 128 + bytes[start]] === 0) return -1;
  return words.table.find(bytes, start, end);
}

const LETTER = { a: 0x61, c: 0x63, d: 0x64, e: 0x65, g: 0x67, h: 0x68, i: 0x69, m: 0x6d, n: 0x6e, p: 0x70, r: 0x72, s: 0x73, t: 0x74, u: 0x75 } as const;

/** The number of an event's key: ph 0, cat 1, name 2, pid 3, tid 4, ts 5, dur 6, id 7, args 8; -1 for any other. */
export function eventKey(bytes: Uint8Array, start: number, end: number): number {
  const [a, b, c, d] = [bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]];
  switch (end - start) {
    case 2:
      if (a === LETTER.p && b === LETTER.h) return 0;
      if (a === LETTER.t && b === LETTER.s) return 5;
      return a === LETTER.i && b === LETTER.d ? 7 : -1;
    case 3:
      if (a === LETTER.c && b === LETTER.a && c === LETTER.t) return 1;
      if (a === LETTER.d && b === LETTER.u && c === LETTER.r) return 6;
      if (b !== LETTER.i || c !== LETTER.d) return -1;
      return a === LETTER.p ? 3 : a === LETTER.t ? 4 : -1;
    case 4:
      if (a === LETTER.n && b === LETTER.a && c === LETTER.m && d === LETTER.e) return 2;
      return a === LETTER.a && b === LETTER.r && c === LETTER.g && d === LETTER.s ? 8 : -1;
    default:
      return -1;
  }
}

/** A JSON text without its escapes. */
export function unescaped(raw: string): string {
  if (!raw.includes('\\')) return raw;
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    // Paths of Windows were written with single backslashes.
    return raw.replace(/\\(["\\/])/g, '$1');
  }
}

/** Keys of `args`, numbered by their places here: the scanner takes them by number. Some have changed their case over the years. */
export const ARG_KEYS = [
  'External id', 'external id', 'correlation', 'stream', 'device', 'bytes', 'Python id', 'Python parent id', 'Sequence number', 'Fwd thread id',
  'Bytes', 'Addr', 'Total Allocated', 'Total Reserved', 'Device Type', 'Device Id', 'Ev Idx', 'graph id', 'graph node id', 'Call stack', 'name',
  'Python thread', 'context', 'Python module id',
] as const;

/** What a category's events are for us. */
export type CategoryKind = 'op' | 'python' | 'annotation' | 'launch' | 'driver' | 'kernel' | 'copy' | 'set' | 'memory' | 'forward' | 'overhead' | 'window' | 'known' | 'other';

/** Known categories. `known`: understood, and nothing that is ours to show: their content is in other events. */
export const CATEGORIES: readonly (readonly [string, CategoryKind])[] = [
  ['cpu_op', 'op'], ['Operator', 'op'], ['hpu_op', 'op'],
  ['python_function', 'python'],
  ['user_annotation', 'annotation'],
  ['cuda_runtime', 'launch'], ['Runtime', 'launch'], ['xpu_runtime', 'launch'], ['mtia_runtime', 'launch'], ['privateuse1_runtime', 'launch'],
  ['cuda_driver', 'driver'], ['privateuse1_driver', 'driver'], ['xpu_driver', 'driver'],
  ['kernel', 'kernel'], ['Kernel', 'kernel'], ['concurrent_kernel', 'kernel'],
  ['gpu_memcpy', 'copy'], ['Memcpy', 'copy'],
  ['gpu_memset', 'set'], ['Memset', 'set'],
  ['cpu_instant_event', 'memory'],
  ['fwdbwd', 'forward'], ['forward_backward', 'forward'],
  ['overhead', 'overhead'],
  ['Trace', 'window'],
  // The GPU's side of an annotation lies around its kernels and repeats what their host stacks say.
  ['gpu_user_annotation', 'known'], ['cuda_sync', 'known'], ['cuda_event', 'known'], ['cuda_profiler_range', 'known'],
  ['ac2g', 'known'], ['async_cpu_to_gpu', 'known'], ['async_gpu', 'known'], ['async', 'known'], ['async_cpu', 'known'],
];

/** The first byte from `start` on, and before `end`, that is neither space nor comma; `end` where there is none. */
export function pastSpace(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x2c || (bytes[at] >= 9 && bytes[at] <= 13))) at++;
  return at;
}
