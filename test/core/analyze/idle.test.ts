import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { IdleThreads } from '#core/analyze/idle';
import type { TimeRanges } from '#core/analyze/view';
import { EVERYTHING } from '#core/analyze/view';
import type { StackId, ThreadId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { Stacks } from '../../support/stacks.ts';
import { addStacks, stacks, treeText } from '../../support/stacks.ts';

const S = 1e9;

/** Waits and samples in s; a process's first thread is its main one. */
function made(waits: string, cpu: string | null, seconds = 10): Stacks {
  const scaled = (text: string): string => text.replace(/^( *)(\d+)\+(\d+)/gm, (_, air: string, at: string, length: string) => `${air}${Number(at) * S}+${Number(length) * S}`)
    .replace(/(\d+(?:\.\d+)?)$/gm, (weight) => String(Number(weight) * S));
  const off = stacks('', { kind: 'off-cpu', name: 'sched_switch', intervals: true });
  addStacks(off, scaled(waits));
  if (cpu !== null) {
    const lane = off.profile.lanes[off.profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
    addStacks({ profile: off.profile, lane }, cpu.replace(/^( *)(\d+(?:\.\d+)?) /gm, (_, air: string, at: string) => `${air}${Number(at) * S} `).replace(/(\d+(?:\.\d+)?)$/gm, (weight) => String(Number(weight) * S)));
  }
  off.profile.info.durationNs = seconds * S;
  return off;
}

function names(profile: Profile, rows: readonly number[]): string {
  return rows.map((row) => profile.threads.nameOf(row as ThreadId)).join(' ');
}

function idle({ profile }: Stacks, ranges: TimeRanges = null): string {
  return names(profile, new IdleThreads().of(profile, ranges, false));
}

const WAITS = `
  0+4 main@train | loop;read 4
  0+10 pool1@train | start;futex 10
  0+10 pool2@train | start;futex 10
  0+3 work@train | run;read 3
`;
const CPU = `
  5 main@train | loop;step 4
  9 work@train | run;decode 6
`;

describe('threads that only wait', () => {
  test('are those without time on a CPU', () => {
    expect(idle(made(WAITS, CPU))).toBe('pool1 pool2');
  });

  test('a thousandth of the range decides', () => {
    expect(idle(made(WAITS, `${CPU}\n  9 pool1@train | start 0.009`))).toBe('pool1 pool2');
    expect(idle(made(WAITS, `${CPU}\n  9 pool1@train | start 0.011`))).toBe('pool2');
  });

  test('the main thread is not, where another thread of its process runs', () => {
    expect(idle(made('0+10 main@train | wait;join 10\n0+10 pool@train | futex 10\n0+2 work@train | read 2', '9 work@train | run 7'))).toBe('pool');
  });

  test('a launcher is, whose process does nothing', () => {
    expect(idle(made('0+10 main@shell | wait4 10\n0+4 main@train | read 4', '9 main@train | run 6'))).toBe('main');
  });

  test('nothing is left out where nothing else waited', () => {
    expect(idle(made('0+10 main@sleep | nanosleep 10', null))).toBe('');
    expect(idle(made('0+10 main@a | accept 10\n0+10 main@b | accept 10', '9 main@c | run 9'))).toBe('');
  });

  test('only the shown range counts', () => {
    const both = made('0+5 main@train | read 5\n0+6 work@train | read 6', '6 main@train | step 1\n7 work@train | run 1');
    expect(idle(both)).toBe('');
    const late = made('0+1 main@train | read 1\n0+10 pool@train | futex 10\n0+9 work@train | read 9', '9 pool@train | start 1\n2 main@train | step 1\n3 work@train | run 1');
    expect(idle(late, [[0, 5 * S]])).toBe('pool');
    expect(idle(late, [[5 * S, 10 * S]])).toBe('work');
  });

  test('without a lane of CPU time those that waited for all of it', () => {
    expect(idle(made(WAITS, null))).toBe('pool1 pool2');
  });

  test('a wait that goes on counts up to now', () => {
    const going = made('0+4 main@train | loop;read 4\n0+1 pool@train | start;futex 1', null, 8);
    expect(idle(going)).toBe('');
    going.profile.open = [{ lane: 0 as never, thread: 1 as ThreadId, stack: going.lane.chunks[0].stack[1] as StackId, since: ns(1 * S) }];
    expect(idle(going)).toBe('pool');
  });
});

describe('while a recording runs', () => {
  test('a thread that was busy once stays', () => {
    const live = made(WAITS, CPU);
    const threads = new IdleThreads();
    const first = threads.of(live.profile, null, true);
    expect(names(live.profile, first)).toBe('pool1 pool2');
    expect(threads.of(live.profile, null, true)).toBe(first);
    addStacks({ profile: live.profile, lane: live.profile.lanes[1] }, `${9.5 * S} pool1@train | start 20000000`);
    expect(names(live.profile, threads.of(live.profile, null, true))).toBe('pool2');
    live.profile.info.durationNs = 1000 * S;
    expect(names(live.profile, threads.of(live.profile, null, true))).toBe('pool2');
    // The last seconds go on with it; a range that was drawn is looked at for itself.
    expect(names(live.profile, threads.of(live.profile, [[1 * S, 3 * S]], true))).toBe('pool2');
    expect(names(live.profile, threads.of(live.profile, [[3.5 * S, 9.2 * S]], false))).toBe('pool1 pool2');
  });
});

test('a tree without them has the others alone, and threads that come later', () => {
  const { profile, lane } = made(WAITS, CPU);
  const without = new IdleThreads().of(profile, null, false);
  const tree = new CallTree(profile, lane, { ...EVERYTHING, without }, false);
  expect(tree.total).toBe(7 * S);
  addStacks({ profile, lane }, `0+${2 * S} later@train | begin ${2 * S}`);
  tree.update();
  expect(treeText(tree)).toContain('begin');
  expect(tree.total).toBe(9 * S);
  expect(new CallTree(profile, lane, EVERYTHING, false).total).toBe(29 * S);
});
