import { cuda } from './cuda.ts';
import { heaptrack } from './heaptrack.ts';
import { nodeInspector } from './node-inspector.ts';
import { perf } from './perf.ts';
import type { Profiler } from './profiler.ts';
import { pySpy } from './py-spy.ts';
import { pythonHelper } from './python-helper.ts';

/** Every profiler, in the order in which they are started and shown; those that stand in for others come last. */
export const PROFILERS: readonly Profiler[] = [perf, pySpy, heaptrack, nodeInspector, cuda, pythonHelper];
