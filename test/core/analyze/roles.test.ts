import { describe, expect, test } from 'vitest';
import { Roles, rankOf, stemOf } from '#core/analyze/roles';
import type { ProcessId, ThreadId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { frameOf } from '../../support/stacks.ts';

function program(): { profile: Profile; process: (pid: number, parent: number, command: string, rank?: number) => ProcessId; thread: (process: ProcessId, tid: number, name: string) => ThreadId } {
  const profile = new Profile();
  return {
    profile,
    process: (pid, parent, command, rank = -1) => profile.processes.add({ pid, parent: parent as ProcessId, name: 'python3', command, rank }),
    thread: (process, tid, name) => profile.threads.add({ process, tid, name }),
  };
}

describe('roles', () => {
  test('main threads, spawned loaders, pools', () => {
    const { profile, process, thread } = program();
    const main = process(10, -1, 'python3 train.py');
    const loader = process(20, 0, '/usr/bin/python3 -c from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=7) --multiprocessing-fork');
    const tracker = process(30, 0, '/usr/bin/python3 -c from multiprocessing.resource_tracker import main;main(3)');
    const rows = [
      thread(main, 10, 'python3'), thread(main, 11, 'ThreadPoolExecu_0'), thread(main, 12, 'ThreadPoolExecu_1'), thread(main, 13, 'pin-memory'), thread(main, 14, 'cuda00001400'),
      thread(loader, 20, 'python3'), thread(loader, 21, 'QueueFeederThre'), thread(tracker, 30, 'python3'),
    ];
    const roles = new Roles(profile);
    expect(rows.map((row) => roles.of(row))).toEqual(['main', 'pool', 'pool', 'other', 'other', 'loader', 'loader', 'main']);
    expect(roles.poolOf(rows[1])).toBe('ThreadPoolExecu');
    expect(roles.poolOf(rows[4])).toBe('');
  });

  test('a forked loader is known by its stacks, as soon as they come; the name alone is not enough', () => {
    const { profile, process, thread } = program();
    const main = process(10, -1, 'python3 train.py');
    const child = process(20, 0, 'python3 train.py');
    const other = process(30, 0, 'python3 train.py');
    const rows = [thread(main, 10, 'python3'), thread(child, 20, 'python3'), thread(other, 30, 'python3')];
    const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
    const roles = new Roles(profile);
    const all = (): string[] => { roles.update(); return rows.map((row) => roles.of(row)); };
    expect(all()).toEqual(['main', 'main', 'main']);
    const stack = (...names: string[]) => profile.stacks.internAll(names.map((name) => frameOf(profile, name)));
    lane.push(1, rows[1], stack('native', 'start'), 1);
    expect(all()).toEqual(['main', 'main', 'main']);
    lane.push(2, rows[1], stack('run ~python', '_worker_loop ~python', 'decode ~python'), 1);
    lane.push(2, rows[0], stack('run ~python', '_worker_loop ~python'), 1);
    lane.push(2, rows[2], stack('_worker_loop ~native'), 1);
    expect(all()).toEqual(['main', 'loader', 'main']);
  });

  test('a derived stack tells it too', () => {
    const { profile, process, thread } = program();
    process(10, -1, 'python3');
    const row = thread(process(20, 0, 'python3'), 20, 'python3');
    const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
    lane.push(1, row, profile.stacks.internAll([frameOf(profile, 'eval')]), 1);
    const roles = new Roles(profile);
    lane.pushMerged(profile.stacks.internAll([frameOf(profile, '_worker_loop ~python'), frameOf(profile, 'eval')]), true);
    roles.update();
    expect(roles.of(row)).toBe('loader');
  });

  test('threads that are named late', () => {
    const { profile, process, thread } = program();
    const main = process(10, -1, 'server');
    const rows = [thread(main, 10, 'server'), thread(main, 11, 'server'), thread(main, 12, 'server')];
    const roles = new Roles(profile);
    expect(roles.of(rows[1])).toBe('other');
    profile.threads.rename(rows[1], 'worker 1');
    profile.threads.rename(rows[2], 'worker 2');
    roles.update();
    expect(rows.map((row) => roles.of(row))).toEqual(['main', 'pool', 'pool']);
  });
});

test('stems of numbered names', () => {
  expect(['worker-12', 'worker/12', 'tokio-runtime-w', 'pool_0', 'asyncio_3', 'grpc (4)', '12', 'rayon7', 'x86'].map(stemOf))
    .toEqual(['worker', 'worker', '', 'pool', 'asyncio', 'grpc', '', 'rayon', 'x']);
});

test('rank of a process, or of the one that started it', () => {
  const { profile, process } = program();
  process(1, -1, 'torchrun');
  process(10, 0, 'python3 train.py', 3);
  process(20, 1, 'loader');
  process(21, 2, 'its child');
  expect([0, 1, 2, 3].map((row) => rankOf(profile, row))).toEqual([-1, 3, 3, 3]);
});
