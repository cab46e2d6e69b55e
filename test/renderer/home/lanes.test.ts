import { describe, expect, test } from 'vitest';
import type { LaneKind } from '#core/model/lane';
import type { Check } from '#core/protocol/api';
import { hasDepths, laneGroups, laneLines, laneOn, laneState, risky } from '../../../renderer/views/home/lanes.ts';

const check = (profiler: string, lane: LaneKind, state: Check['state'], more: Partial<Check> = {}): Check => ({ profiler, lane, state, version: '', text: `${profiler} ${lane}`, command: '', ...more });
const USUAL = { memory: 'light', risks: [], profilers: [] } as const;

const CHECKS = [
  check('perf', 'cpu', 'ready'), check('perf', 'off-cpu', 'partly'), check('perf', 'memory', 'partly'), check('perf', 'faults', 'partly'),
  check('py-spy', 'cpu', 'ready'), check('heaptrack', 'memory', 'ready', { full: true, risk: 'gdb stops the program for a moment.' }),
];
const group = (lane: LaneKind, checks = CHECKS) => {
  const found = laneGroups(checks).find((one) => one.lane === lane);
  if (found === undefined) throw new Error(`no ${lane}`);
  return found;
};

describe('lanes of a recording', () => {
  test('all four are offered; page faults are a part of memory', () => {
    expect(laneGroups(CHECKS).map((one) => `${one.lane} ${one.checks.length}`)).toEqual(['cpu 2', 'off-cpu 1', 'memory 2', 'cuda 0']);
    expect(laneGroups([]).map((one) => laneState(one, USUAL))).toEqual(['no', 'no', 'no', 'no']);
  });

  test('what works is on by itself, with less than all of it too; a tick of the user\'s holds', () => {
    expect(laneOn(group('cpu'), USUAL, undefined)).toBe(true);
    expect(laneOn(group('off-cpu'), USUAL, undefined)).toBe(true);
    expect(laneOn(group('off-cpu'), USUAL, false)).toBe(false);
    expect(laneOn(group('cuda'), USUAL, undefined)).toBe(false);
    expect(laneOn(group('cuda'), USUAL, true)).toBe(true);
  });

  test('where a command is missing only CUDA is asked for, so that its pane says which', () => {
    const checks = [check('nsys', 'cuda', 'fix', { command: 'sudo sysctl kernel.yama.ptrace_scope=0' }), check('perf', 'off-cpu', 'fix')];
    expect(laneOn(group('cuda', checks), USUAL, undefined)).toBe(true);
    expect(laneOn(group('off-cpu', checks), USUAL, undefined)).toBe(false);
    expect(laneOn(group('off-cpu', checks), USUAL, true)).toBe(true);
  });

  test('full memory is a choice, and its risk another', () => {
    const memory = group('memory');
    expect(hasDepths(memory)).toBe(true);
    expect(hasDepths(group('cpu'))).toBe(false);
    expect(laneState(memory, USUAL)).toBe('partly');
    expect(risky(memory, USUAL)).toEqual([]);
    expect(risky(memory, { ...USUAL, memory: 'full' }).map((one) => one.profiler)).toEqual(['heaptrack']);
    expect(laneState(memory, { ...USUAL, memory: 'full' })).toBe('partly');
    expect(laneState(memory, { ...USUAL, memory: 'full', risks: ['heaptrack'] })).toBe('ready');
  });

  test('what only stands in is not told of while the others work, and starts when it is named', () => {
    const cpu = group('cpu', [...CHECKS, check('python-helper', 'cpu', 'ready', { spare: true })]);
    expect(laneLines(cpu, USUAL).map((one) => one.profiler)).toEqual(['perf', 'py-spy']);
    expect(laneLines(cpu, { ...USUAL, profilers: ['python-helper'] }).map((one) => one.profiler)).toEqual(['python-helper']);
  });

  test('a line says what will be done, each text once', () => {
    const same = [check('a', 'cpu', 'ready', { text: 'one' }), check('b', 'cpu', 'ready', { text: 'one' }), check('c', 'cpu', 'no', { text: 'never' })];
    expect(laneLines(group('cpu', same), USUAL).map((one) => one.text)).toEqual(['one']);
    expect(laneLines(group('cpu', [check('c', 'cpu', 'no', { text: 'never' })]), USUAL).map((one) => one.text)).toEqual(['never']);
    expect(laneLines(group('cpu'), { ...USUAL, profilers: ['py-spy'] }).map((one) => one.profiler)).toEqual(['py-spy']);
  });
});
