declare const brand: unique symbol;
/** A value that cannot be mixed up with another of the same shape. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Row of the string table; 0 is the empty string. */
export type StringId = Brand<number, 'string'>;
/** Row of the function table. */
export type FunctionId = Brand<number, 'function'>;
/** Row of the frame table. */
export type FrameId = Brand<number, 'frame'>;
/** Row of the stack table; NO_STACK stands for "no caller". */
export type StackId = Brand<number, 'stack'>;
/** Row of the process table (not a pid). */
export type ProcessId = Brand<number, 'process'>;
/** Row of the thread table (not a tid). */
export type ThreadId = Brand<number, 'thread'>;
/** Index into profile.lanes. */
export type LaneId = Brand<number, 'lane'>;
/** Index into profile.tracks. */
export type TrackId = Brand<number, 'track'>;
/** Nanoseconds; as a time, since the recording began, on CLOCK_MONOTONIC. */
export type Nanoseconds = Brand<number, 'ns'>;

export const NO_STACK = -1 as StackId;
export const NO_THREAD = -1 as ThreadId;
export const NO_PROCESS = -1 as ProcessId;
export const EMPTY_STRING = 0 as StringId;

/** Marks a plain number as nanoseconds. */
export function ns(value: number): Nanoseconds {
  return value as Nanoseconds;
}
