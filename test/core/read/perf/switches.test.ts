import { expect, test } from 'vitest';
import { ThreadClock } from '#core/read/perf/switches';

/**
 * One column is one ns. The upper line has the records: `i` in, `o` out (blocked), `p` out (preempted), `s` sample, `c` created,
 * `e` end. Answers what the thread did, drawn: `=` runs, `_` sleeps, `.` waits for a CPU, ` ` not known; and the samples' weights.
 */
function play(records: string): { drawn: string; weights: number[]; rest: number; clock: ThreadClock } {
  const drawn: string[] = [...records].map(() => ' ');
  const clock = new ThreadClock(0, (state, start, end) => {
    drawn.fill(state === 'running' ? '=' : state === 'blocked' ? '_' : '.', start, end);
  });
  const weights: number[] = [];
  [...records].forEach((record, time) => {
    switch (record) {
      case 'i': clock.switchIn(time); break;
      case 'o': clock.switchOut(time, false); break;
      case 'p': clock.switchOut(time, true); break;
      case 'c': clock.created(time); break;
      case 's': weights.push(clock.sample(time)); break;
      case 'e': clock.end(time); break;
      default: break;
    }
  });
  return { drawn: drawn.join('').trimEnd(), weights, rest: clock.pending, clock };
}

test('samples share out exactly what the switches say', () => {
  const { drawn, weights, rest, clock } = play(
    'i   s  o     i  s p   i e');
  expect(drawn).toBe(
    '=======______=====....==');
  // 0-4; 4-7 and 13-16; the rest 16-18 and 22-24 has no sample.
  expect(weights).toEqual([4, 6]);
  expect(rest).toBe(4);
  expect([clock.onCpu, clock.blocked, clock.waiting]).toEqual([14, 6, 4]);
});

test('a thread that ran at attach has run since then', () => {
  expect(play('    o   i  e').drawn).toBe('====____===');
  expect(play('    s   o  e')).toMatchObject({ drawn: '========___', weights: [4], rest: 4 });
});

test('a thread that slept at attach has slept since then, also when nothing else is ever seen of it', () => {
  expect(play('      i  o e').drawn).toBe('______===__');
  expect(play('           e').drawn).toBe('___________');
});

test('a new thread waits for its first CPU', () => {
  const { drawn, clock } = play('   c   i    e');
  expect(drawn).toBe('   ....=====');
  expect(clock.waiting).toBe(4);
});

test('a lost way out: what was surely run stays, what came after is not known', () => {
  const { drawn, clock, weights } = play(
    'i  s      i  s o e');
  expect(drawn).toBe(
    '===       =====__');
  expect(weights).toEqual([3, 3]);
  expect(clock.onCpu).toBe(8);
  expect(clock.broken).toBe(1);
});

test('a lost way in: a sample shows that it runs again', () => {
  const { drawn, clock, weights } = play(
    'i   o    s   o  e');
  expect(drawn).toBe(
    '====     ====___');
  expect(weights).toEqual([4]);
  expect([clock.onCpu, clock.broken]).toEqual([8, 1]);
});

test('two ways out in a row: the interval between them is not counted', () => {
  expect(play('i  o   o  i e').drawn).toBe('===    ___==');
});

test('a time that lies back never makes anything negative', () => {
  const clock = new ThreadClock(100);
  clock.switchIn(90);
  clock.switchOut(80, false);
  expect(clock.sample(70)).toBe(0);
  clock.end(60);
  expect([clock.onCpu, clock.blocked, clock.waiting]).toEqual([0, 0, 0]);
});

test('an ended thread stays ended', () => {
  expect(play('i  e  i   o s').drawn).toBe('===');
});
