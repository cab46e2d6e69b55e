// A sampling heap profile of V8: HeapProfiler.SamplingHeapProfile of the inspector protocol
// (https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/#type-SamplingHeapProfile), what `node --heap-prof` writes as
// .heapprofile. `head` is a tree of calls with the bytes that each allocated itself, as V8 estimates them from one sample every so many
// bytes; `samples` (V8 7.4 on) lists the samples with the node each belongs to and its number in order of allocation.
import type { StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { Json } from '../json.ts';
import { asArray, asNumber, isObject } from '../json.ts';
import type { V8Frames } from './call-frame.ts';
import { callFrameOf, isNode, stateOf } from './call-frame.ts';

/** Bytes by stack, and the samples that they come from. */
export interface HeapSamples {
  readonly stacks: readonly StackId[];
  readonly bytes: Float64Array;
  /** Number of each sample in order of allocation, from 1; 0 where it is not told. */
  readonly ordinals: Float64Array;
  /** How many samples each row stands for; 0 where it is not told. */
  readonly counts: Int32Array;
}

/** Reads a profile's value; null when it is none. With `samples` a row is a sample, without a row is a node of the tree. */
export function readHeapProfile(value: Json, profile: Profile, frames: V8Frames): HeapSamples | null {
  if (!isObject(value) || !isNode(value['head'])) return null;
  const stacks: StackId[] = [];
  const sizes: number[] = [];
  const rows = new Map<number, number>();
  const waiting: { readonly item: Json; readonly caller: StackId }[] = [{ item: value['head'], caller: NO_STACK }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { item, caller } = next;
    if (!isNode(item)) {
      profile.skip('nodes that are no calls');
      continue;
    }
    const frame = callFrameOf(item);
    const stack = stateOf(frame) === 'root' ? caller : profile.stacks.intern(caller, frames.id(frame));
    const size = asNumber(item['selfSize'], 0);
    if (size < 0) profile.skip('sizes below zero (left out)');
    if (item['id'] !== undefined) rows.set(asNumber(item['id'], -1), stacks.length);
    stacks.push(stack);
    sizes.push(Math.max(0, size));
    for (const child of asArray(item['children'])) waiting.push({ item: child, caller: stack });
  }
  const samples = asArray(value['samples']);
  if (samples.length === 0) {
    return { stacks, bytes: Float64Array.from(sizes), ordinals: new Float64Array(sizes.length), counts: new Int32Array(sizes.length) };
  }
  const found: StackId[] = [];
  const bytes: number[] = [];
  const ordinals: number[] = [];
  for (const sample of samples) {
    const row = isObject(sample) ? rows.get(asNumber(sample['nodeId'], -2)) : undefined;
    const size = isObject(sample) ? asNumber(sample['size'], -1) : -1;
    if (row === undefined || size < 0 || !isObject(sample)) {
      profile.skip('allocation samples that could not be read');
      continue;
    }
    found.push(stacks[row]);
    bytes.push(size);
    ordinals.push(Math.max(0, asNumber(sample['ordinal'], 0)));
  }
  return { stacks: found, bytes: Float64Array.from(bytes), ordinals: Float64Array.from(ordinals), counts: new Int32Array(found.length).fill(1) };
}
