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

/** Keys of an event. */
export const EVENT_KEYS = ['ph', 'cat', 'name', 'pid', 'tid', 'ts', 'dur', 'id', 'args'] as const;

/** Keys of `args`. Some have changed their case over the years. */
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
