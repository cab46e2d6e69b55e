import { describe, expect, test } from 'vitest';
import { formatPercent } from '#core/analyze/format';
import { Roles } from '#core/analyze/roles';
import { ThreadSums } from '#core/analyze/thread-sums';
import type { TimeRanges } from '#core/analyze/view';
import type { ProcessId, ThreadId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { picture } from '../../support/stacks.ts';
import type { TreeNode } from '../../../renderer/views/recording/thread-tree.ts';
import { afterTick, rowsOfRole, shareColumns, threadTree, tickedOf, treeRows } from '../../../renderer/views/recording/thread-tree.ts';

const SPAWN = 'python3 -c from multiprocessing.spawn import spawn_main; spawn_main() --multiprocessing-fork';

/** Two ranks under a launcher; a main thread, a pool, what never ran; two loaders of rank 0. */
function training(): Profile {
  const profile = new Profile();
  const { processes, threads } = profile;
  const cpu = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
  const off = profile.lanes[profile.addLane({ kind: 'off-cpu', unit: 'ns', name: 'sched_switch', intervals: true })];
  const thread = (process: ProcessId, tid: number, name: string, worked: number, waited: number): void => {
    const row = threads.add({ process, tid, name });
    if (worked > 0) cpu.push(50, row, -1, worked);
    if (waited > 0) off.push(100 - waited, row, -1, waited, 1, waited);
  };
  const launcher = processes.add({ pid: 1, name: 'torchrun' });
  const ranks = [0, 1].map((rank) => processes.add({ pid: 10 + rank, name: 'train.py', parent: launcher, rank }));
  const loaders = [0, 1].map((i) => processes.add({ pid: 20 + i, name: 'python3', command: SPAWN, parent: ranks[0] }));
  thread(launcher, 1, 'torchrun', 1, 90);
  for (const [i, rank] of ranks.entries()) {
    thread(rank, 10 + i, 'python3', 40 - i * 20, 20);
    for (let n = 0; n < 3; n++) thread(rank, 100 + i * 10 + n, `pool-${n}`, 2, 0);
    for (let n = 0; n < 4; n++) thread(rank, 200 + i * 10 + n, 'cuda-EvtHandlr', 0, 10);
  }
  for (const [i, loader] of loaders.entries()) thread(loader, 20 + i, 'python3', 13, 0);
  profile.info.durationNs = 100;
  return profile;
}

function model(profile: Profile, ranges: TimeRanges = null, places = new Map<string, number>()): TreeNode[] {
  const columns = shareColumns(profile);
  return threadTree(profile, columns, columns.map((column) => new ThreadSums(profile, column.lane, ranges)), new Roles(profile), places);
}

function text(tree: readonly TreeNode[], filter = '', opened: readonly string[] = []): string {
  const total = (at: number): number => tree.reduce((sum, node) => sum + (node.weights[at] ?? 0), 0);
  return treeRows(tree, new Set(), new Set(opened), filter)
    .map(({ node, depth, open }) => `${'  '.repeat(depth)}${node.children.length === 0 ? '' : open ? '- ' : '+ '}${[node.label, node.note].filter((part) => part !== '').join(' ')} ${node.weights.map((weight, i) => formatPercent(weight / total(i))).join(' ')}`)
    .join('\n');
}

describe('the tree', () => {
  test('by rank, process, role and name, busiest first', () => {
    expect(text(model(training()))).toBe(picture(`
      - Rank 0 10 72.7 % 28.6 %
        - train.py 10 72.7 % 28.6 %
          python3 10 40.4 % 9.5 %
          + Loaders 2 processes 26.3 % 0 %
          + pool 3 threads 6.1 % 0 %
          4 threads that never ran 0 % 19 %
      - Rank 1 11 26.3 % 28.6 %
        - train.py 11 26.3 % 28.6 %
          python3 11 20.2 % 9.5 %
          + pool 3 threads 6.1 % 0 %
          4 threads that never ran 0 % 19 %
      - torchrun 1 1.0 % 42.9 %
        torchrun 1 1.0 % 42.9 %
    `).replaceAll('19 %', '19.0 %'));
  });

  test('one process alone has no ranks', () => {
    const profile = new Profile();
    const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
    const process = profile.processes.add({ pid: 7, name: 'server', rank: 0 });
    for (let i = 0; i < 3; i++) lane.push(i, profile.threads.add({ process, tid: 7 + i, name: i === 0 ? 'server' : 'io' }), -1, 10);
    expect(text(model(profile))).toBe(picture(`
      - server 7 100 %
        + io 2 threads 66.7 %
        server 7 33.3 %
    `));
  });

  test('in a range, with what goes on still', () => {
    const profile = training();
    profile.open = [{ lane: 1 as never, thread: 1 as ThreadId, stack: -1 as never, since: ns(95) }];
    const [rank0] = model(profile, [[90, 100]]);
    // The main thread 10, the never running ones 4 x 10, and 5 that go on.
    expect(rank0.weights).toEqual([0, 55]);
  });

  test('the filter shows what fits and what it stands under', () => {
    expect(text(model(training()), 'pool').replaceAll(/ (?:< )?[\d.]+ %/g, '')).toBe(picture(`
      - Rank 0 10
        - train.py 10
          - pool 3 threads
            pool-0 100
            pool-1 101
            pool-2 102
      - Rank 1 11
        - train.py 11
          - pool 3 threads
            pool-0 110
            pool-1 111
            pool-2 112
    `));
    expect(text(model(training()), 'loader').split('\n').length).toBe(7);
    expect(text(model(training()), 'nobody')).toBe('');
  });

  test('places stay while numbers change', () => {
    const profile = training();
    const places = new Map<string, number>();
    const before = text(model(profile, null, places)).replaceAll(/ (?:< )?[\d.]+ %/g, '');
    profile.lanes[0].push(90, 9, -1, 1e6);
    expect(text(model(profile, null, places)).replaceAll(/ (?:< )?[\d.]+ %/g, '')).toBe(before);
    expect(model(profile)[0].label).toBe('Rank 0');
  });

  test('helpers of a moment are one line, and so is what a process was before', () => {
    const profile = new Profile();
    const { processes, threads } = profile;
    const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
    const starter = processes.add({ pid: 5, name: 'launcher' });
    const main = processes.add({ pid: 7, name: 'train.py', parent: starter });
    const thread = (process: ProcessId, tid: number, name: string, generation: number, worked: number): void => {
      lane.push(1, threads.add({ process, tid, name, generation }), -1, worked);
    };
    thread(starter, 5, 'launcher', 0, 1);
    thread(main, 7, 'sh', 0, 1);
    thread(main, 7, 'pyenv', 1, 2);
    thread(main, 7, 'python3', 2, 10_000);
    for (let i = 0; i < 5; i++) thread(processes.add({ pid: 20 + i, name: 'bash', parent: main }), 20 + i, 'bash', 0, 1);
    expect(text(model(profile)).replaceAll(/ (?:< )?[\d.]+ %$/gm, '')).toBe(picture(`
      - train.py 7
        python3 7
        What it was before (2)
      - launcher 5
        launcher 5
      + 5 processes under 0.1 % of CPU time
    `));
  });

  test('ten thousand threads', () => {
    const profile = new Profile();
    const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
    const process = profile.processes.add({ pid: 7, name: 'server' });
    for (let i = 0; i < 10_000; i++) {
      const row = profile.threads.add({ process, tid: 7 + i, name: `worker-${i}` });
      if (i % 2 === 0) lane.push(i, row, -1, i);
    }
    const tree = model(profile);
    expect(tree[0].rows.length).toBe(10_000);
    expect(text(tree, '', ['g0 worker']).split('\n').length).toBe(5003);
  });
});

describe('choosing', () => {
  const tree = model(training());
  const all = tree.flatMap((node) => node.rows);
  const node = (label: string, rows = treeRows(tree, new Set(), new Set(), '')): TreeNode => {
    const found = rows.find((row) => row.node.label === label);
    if (found === undefined) throw new Error(label);
    return found.node;
  };

  test('a role', () => {
    expect(rowsOfRole(tree, 'loader')).toEqual(node('Loaders').rows);
    expect(rowsOfRole(tree, 'main').length).toBe(3);
    expect(rowsOfRole(tree, 'pool').length).toBe(6);
  });

  test('ticks of what it stands above', () => {
    const chosen = new Set(node('Loaders').rows);
    expect([tickedOf(node('Loaders'), chosen), tickedOf(node('Rank 0'), chosen), tickedOf(node('Rank 1'), chosen)]).toEqual(['all', 'some', 'none']);
    expect(tickedOf(node('Rank 1'), null)).toBe('all');
  });

  test('several, and all again', () => {
    const rest = afterTick(node('Rank 0'), null, all);
    expect(rest?.length).toBe(all.length - node('Rank 0').rows.length);
    expect(afterTick(node('Rank 0'), new Set(rest), all)).toBe(null);
    expect(afterTick(node('Loaders'), new Set(node('Loaders').rows), all)).toBe(null);
  });
});
