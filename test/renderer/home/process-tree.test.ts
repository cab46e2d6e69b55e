import { expect, test } from 'vitest';
import type { ProcessRow } from '#core/protocol/api';
import type { Sort } from '../../../renderer/views/home/process-tree.ts';
import {
  StableOrder, argumentsOf, firstChoice, inSegment, isQuiet, nearNames, segmentRows, treeRows, workersOf,
} from '../../../renderer/views/home/process-tree.ts';

function row(pid: number, ppid: number, name: string, cpu: number | null, more: Partial<ProcessRow> = {}): ProcessRow {
  return {
    pid, ppid, start: pid, startedAt: 0, user: 'mara', name, argv: [name], runtime: 'python', runtimeVersion: '', rank: null, worldSize: null,
    container: '', threads: 1, cpu, rss: pid * 1000, gpuMemory: null, gpu: null, launcher: false, mine: true, ...more,
  };
}

const ROWS = [
  row(10, 1, 'torchrun', 1, { launcher: true }),
  row(11, 10, 'train.py', 90, { rank: 0, argv: ['python', 'train.py', '--config', 'a.yaml'] }),
  row(12, 10, 'train.py', 95, { rank: 1 }),
  row(13, 11, 'loader', 40, { rank: 0 }),
  row(20, 1, 'server', 50),
  row(30, 2, 'kworker', 0, { runtime: 'kernel', user: 'root', mine: false }),
  row(40, 1, 'cron', 0, { runtime: 'native', user: 'root', mine: false }),
];
const CPU: Sort = { key: 'cpu', descending: true };

/** The table as a picture: indentation is depth, + a closed row, ~ one that is only a way to a match. */
function picture(rows: readonly ProcessRow[], view: Partial<Parameters<typeof treeRows>[1]> = {}, order = new StableOrder()): string {
  return treeRows(rows, { segment: 'mine', filter: '', sort: CPU, closed: new Set(), asked: '', ...view }, order)
    .map((one) => `${'  '.repeat(one.depth)}${one.open === false ? '+' : ''}${one.matches ? '' : '~'}${one.process.name} ${one.process.pid}`).join('\n');
}

test('a parent stands where its busiest child belongs; kernel threads are only under All', () => {
  expect(picture(ROWS)).toBe(`
torchrun 10
  train.py 12
  train.py 11
    loader 13
server 20
cron 40`.trimStart());
  expect(picture(ROWS, { segment: 'all' })).toContain('kworker 30');
  expect(ROWS.filter((one) => inSegment(one, 'gpu'))).toEqual([]);
});

test('shells that wait are under All only', () => {
  const shell = (pid: number, argv: string[], cpu = 0): ProcessRow => row(pid, 1, 'bash', cpu, { runtime: 'native', launcher: true, argv });
  const rows = [
    shell(50, ['bash']), shell(51, ['bash', 'train.sh']), row(52, 51, 'train.py', 90), shell(53, ['bash', 'wait.sh']),
    row(54, 53, 'sleep', 0, { runtime: 'native' }), shell(55, ['bash', '-c', 'while :; do :; done'], 99), shell(56, ['bash', '/dev/fd/3']), row(57, 56, 'web.py', 3),
  ];
  expect(segmentRows(rows, 'mine').map((one) => one.pid)).toEqual([51, 52, 54, 55, 57]);
  expect(segmentRows(rows, 'all')).toHaveLength(8);
});

test('a filter keeps the way to each match and opens it', () => {
  expect(picture(ROWS, { filter: 'loader', closed: new Set(['10:10']) })).toBe(`
~torchrun 10
  ~train.py 11
    loader 13`.trimStart());
  expect(picture(ROWS, { filter: 'TRAIN yaml' })).toBe('~torchrun 10\n  train.py 11');
  expect(picture(ROWS, { filter: 'nothing' })).toBe('');
});

test('a closed row hides what is below it', () => {
  expect(picture(ROWS, { closed: new Set(['10:10']) })).toBe('+torchrun 10\nserver 20\ncron 40');
});

test('changing numbers move nothing; new rows come in where they belong; asking again sorts anew', () => {
  const order = new StableOrder();
  expect(picture([row(1001, 1, 'a', 30), row(1002, 1, 'b', 20), row(1003, 1, 'c', 10)], {}, order)).toBe('a 1001\nb 1002\nc 1003');
  const later = [row(1001, 1, 'a', 1), row(1002, 1, 'b', 99), row(1003, 1, 'c', 50), row(1004, 1, 'd', 60)];
  expect(picture(later, {}, order)).toBe('d 1004\na 1001\nb 1002\nc 1003');
  expect(picture(later, { asked: 'again' }, order)).toBe('b 1002\nd 1004\nc 1003\na 1001');
});

test('what a shell started stands by itself', () => {
  const terminal = [row(5, 1, 'tmux: server', 0, { launcher: true }), row(6, 5, 'bash', 0, { launcher: true }), row(7, 6, 'train.py', 90), row(8, 7, 'loader', 5)];
  expect(picture(terminal)).toBe('train.py 7\n  loader 8\ntmux: server 5');
});

test('a reused pid makes no ring', () => {
  expect(picture([row(5, 6, 'a', 1, { start: 1 }), row(6, 5, 'b', 2, { start: 2 })])).toBe('a 5\n  b 6');
});

test('a launcher offers the nearest process of each rank', () => {
  expect(workersOf(ROWS, ROWS[0]).map((one) => one.pid)).toEqual([11, 12]);
  const shell = row(50, 1, 'bash', 0, { launcher: true });
  expect(workersOf([shell, row(51, 50, 'x', 5), row(52, 50, 'y', 50)], shell).map((one) => one.pid)).toEqual([52, 51]);
});

test('the first choice is busy, mine, no launcher, and rank 0 of its like', () => {
  expect(firstChoice(ROWS)?.pid).toBe(11);
  expect(firstChoice([...ROWS, row(60, 1, 'gpu', 0, { gpuMemory: 1e9 })])?.pid).toBe(60);
  expect(firstChoice([ROWS[5], ROWS[6]])).toBe(null);
});

test('launchers, kernel threads and others\' idle processes are quiet', () => {
  expect(ROWS.filter(isQuiet).map((one) => one.name)).toEqual(['torchrun', 'kworker', 'cron']);
});

test('arguments are what the name does not say', () => {
  expect(argumentsOf(ROWS[1])).toBe('--config a.yaml');
  expect(argumentsOf(row(1, 1, 'worker', 0, { argv: ['python', '-c', 'spawn_main()'] }))).toBe('-c spawn_main()');
});

test('near names forgive a swap, a slip and a missing letter', () => {
  expect(nearNames(ROWS, 'trian.py')).toEqual([{ name: 'train.py', count: 2 }]);
  expect(nearNames(ROWS, 'sever')).toEqual([{ name: 'server', count: 1 }]);
  expect(nearNames(ROWS, 'postgres')).toEqual([]);
});
