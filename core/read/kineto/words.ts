// The keys and categories of a Kineto trace that we look at, as small numbers: a key that is none of them costs no string.
// Source: pytorch/kineto libkineto/src/output_json.cpp and include/ActivityType.h; the old names are of 2021.
import { ByteTable } from '../byte-table.ts';

const ENCODER = new TextEncoder();

/** A table that holds these words, numbered by their place. */
export function tableOf(words: readonly string[]): ByteTable {
  const table = new ByteTable();
  for (const word of words) {
    const bytes = ENCODER.encode(word);
    if (table.find(bytes, 0, bytes.length) < 0) table.add(bytes, 0, bytes.length);
  }
  return table;
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
