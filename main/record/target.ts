import { basename } from 'node:path';
import type { Runtime, Target } from '#core/protocol/api';
import { nameOf } from '../processes/names.ts';
import { argvOf, readProcLink, statOf } from '../processes/proc.ts';
import { runtimeOf } from '../processes/runtime.ts';
import type { Watched } from '../profilers/profiler.ts';

/** What is said of a target. */
export interface TargetFacts {
  readonly pid: number;
  readonly name: string;
  readonly runtime: Runtime;
  /** For people: `python train.py, 3 processes`. Arguments are not masked here. */
  readonly text: string;
  readonly argv: readonly string[];
  /** Its working directory: what lies below is its own code. */
  readonly directory: string;
}

export function targetFacts(target: Target, watched: readonly Watched[]): TargetFacts {
  const pid = watched[0]?.pid ?? 0;
  if (target.kind === 'launch') {
    const runtime = runtimeOf(pid, target.argv[0], target.argv).runtime;
    const name = nameOf(target.argv, basename(target.argv[0]), runtime, target.argv[0]);
    return { pid, name, runtime, text: name, argv: target.argv, directory: target.directory === '' ? process.cwd() : target.directory };
  }
  const executable = readProcLink(`/proc/${pid}/exe`) ?? '';
  const argv = argvOf(pid);
  const { runtime, version } = runtimeOf(pid, executable, argv);
  const name = nameOf(argv, statOf(pid)?.comm ?? '', runtime, executable);
  const others = watched.length > 1 ? `, ${watched.length} processes` : '';
  return { pid, name, runtime, text: `${name}${version === '' ? '' : ` (${runtime} ${version})`}${others}`, argv, directory: readProcLink(`/proc/${pid}/cwd`) ?? '' };
}
