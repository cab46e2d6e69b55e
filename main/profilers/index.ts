import { perf } from './perf.ts';
import type { Profiler } from './profiler.ts';
import { pySpy } from './py-spy.ts';

/** Every profiler, in the order in which they are started and shown. */
export const PROFILERS: readonly Profiler[] = [perf, pySpy];
