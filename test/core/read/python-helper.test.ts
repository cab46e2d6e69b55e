// The helper inside Python: looks and the kernel's account in, rows out.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Profile } from '#core/model/profile';
import { PythonHelperDecoder } from '#core/read/python-helper';
import type { HelperWindow } from '#core/read/python-helper';
import { ThreadClock } from '#core/read/thread-clock';
import type { StackId } from '#core/model/ids';

const MS = 1e6;
const ZERO = 1000 * MS;

/** Readings every 10 ms from 0 to `until`: `cpu` and `runnable` give what a thread had by then, ms. */
function readings(tid: number, until: number, cpu: (ms: number) => number, runnable: (ms: number) => number = () => 0): NonNullable<HelperWindow['onCpu']>[number] {
  const points: number[] = [];
  const waits: number[] = [];
  for (let ms = 0; ms <= until; ms += 10) {
    points.push(ZERO + ms * MS, 5 * MS + cpu(ms) * MS);
    waits.push(runnable(ms) * MS);
  }
  return { tid, pid: 7, points, runnable: waits };
}

/** Looks of process 7 every 10 ms: each says which threads changed, as `tid:stack`. */
function stream(looks: readonly string[], head = 'f 3 work\t/app/a.py\nf 9 nap\t/app/a.py\nf 1 main\t/app/a.py\ns -1 2\ns 0 0\ns 0 1\n'): string {
  let text = `p 7\nr ${ZERO} 100 99 3.11\n`;
  looks.forEach((look, i) => {
    text += `t ${i === 0 ? 0 : 10_000}\n${i === 0 ? head : ''}`;
    for (const change of look.split(' ').filter((one) => one !== '')) text += `c ${change.replace(':', ' ')}\n`;
  });
  return text;
}

function decode(windows: readonly { facts: Partial<HelperWindow>; text: string }[], size = Infinity): Profile {
  const profile = new Profile();
  const decoder = new PythonHelperDecoder(profile, { zeroAt: ZERO, directory: '/app', source: 'test' });
  for (const { facts, text } of windows) {
    const bytes = new TextEncoder().encode(text);
    const window = { start: ZERO, end: ZERO + 600 * MS, ...facts };
    for (let at = 0; at < bytes.length; at += size) decoder.window(window, bytes.subarray(at, at + size));
    if (bytes.length === 0) decoder.window(window, bytes);
  }
  decoder.end();
  return profile;
}

function stackText(profile: Profile, stack: number): string {
  return profile.stacks.framesOf(stack as StackId).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame))).join(';');
}

/** Weight by stack, ms: `main;work 60`. */
function sums(profile: Profile, kind: 'cpu' | 'off-cpu'): string[] {
  const lane = profile.lane(kind);
  const found = new Map<string, number>();
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) {
      const key = stackText(profile, chunk.stack[row]);
      found.set(key, (found.get(key) ?? 0) + chunk.weight.get(row) / MS);
    }
  }
  return [...found].map(([stack, ms]) => `${stack} ${Math.round(ms)}`).sort();
}

const HALF = ['7:1', '', '', '', '', '7:2', '', '', '', '', ''];

test('time on a CPU goes to the function that ran, the rest of the time is waiting, where it waited', () => {
  // 50 ms of work, then 50 ms of sleep, of which the kernel booked 10 as runnable.
  const account = readings(7, 100, (ms) => Math.min(ms, 40), (ms) => (ms > 90 ? 10 : 0));
  const profile = decode([{ facts: { onCpu: [account] }, text: stream(HALF) }]);
  expect(sums(profile, 'cpu')).toEqual(['main;work 40']);
  expect(sums(profile, 'off-cpu')).toEqual(['main;nap 50']);
  const [wait] = profile.lane('off-cpu')?.chunks ?? [];
  expect(wait.rows).toBe(1);
  expect([wait.timeAt(0) / MS, wait.duration.get(0) / MS, wait.weight.get(0) / MS]).toEqual([40, 50, 50]);
  expect(profile.threads.nameOf(0 as never)).toBe('MainThread');
  expect([profile.threads.onCpu.get(0), profile.threads.waiting.get(0), profile.threads.blocked.get(0)].map((value) => value / MS)).toEqual([40, 10, 50]);
  expect(profile.functions.libraryOf(profile.frames.functionOf(0 as never))).toBe('a');
});

test('on-CPU, waiting and runnable are the whole time, also where the kernel books late', () => {
  // Runnable the whole time from 20 ms on, told only at 100.
  const account = readings(7, 200, (ms) => Math.min(ms, 20), (ms) => (ms >= 100 ? 80 : 0));
  const profile = decode([{ facts: { onCpu: [account] }, text: stream([...HALF, ...Array.from({ length: 10 }, () => '')]) }]);
  expect(sums(profile, 'cpu')).toEqual(['main;work 20']);
  expect(sums(profile, 'off-cpu').map((text) => Number(text.split(' ')[1])).reduce((a, b) => a + b, 0)).toBe(100);
});

test('a sleeper that wakes for a moment: its time waits for a look that finds it at work', () => {
  const account = readings(7, 100, (ms) => Math.floor(ms / 50) * 0.5);
  const profile = decode([{ facts: { onCpu: [account] }, text: stream(['7:2', '', '', '', '', '', '', '', '', '', '']) }]);
  expect(sums(profile, 'cpu')).toEqual(['main;nap 1']);
  expect(profile.lane('cpu')?.samples).toBe(0);
});

test('threads that Python does not see are told without a stack; the helper itself is not', () => {
  const profile = decode([{ facts: { onCpu: [readings(7, 100, (ms) => ms), readings(8, 100, (ms) => ms / 2), readings(99, 100, (ms) => ms / 10)] }, text: stream(['7:1', '', '', '', '', '', '', '', '', '', '']) }]);
  expect(sums(profile, 'cpu')).toEqual(['[not seen from Python] 50', 'main;work 100']);
  expect(Array.from({ length: profile.threads.length }, (_, row) => profile.threads.tid.get(row)).sort()).toEqual([7, 8]);
});

test('a lane that is off gets no rows', () => {
  const account = readings(7, 100, (ms) => Math.min(ms, 50));
  const only = (lanes: HelperWindow['lanes'] & object) => decode([{ facts: { onCpu: [account], lanes }, text: stream(HALF) }]).lanes.map((lane) => lane.kind);
  expect(only(['cpu'])).toEqual(['cpu']);
  expect(only(['off-cpu'])).toEqual(['off-cpu']);
});

test('after a loss the tables begin anew; nothing is told of the time between', () => {
  const account = readings(7, 500, (ms) => ms);
  const text = `${stream(['7:1', '', ''])}p 7\nr ${ZERO + 300 * MS} 100 99 3.11\nt 0\nf 5 other\t/app/b.py\ns -1 0\nc 7 0\nt 10000\nd 1\ne 2 ValueError\n`;
  const profile = decode([{ facts: { onCpu: [account] }, text }]);
  expect(sums(profile, 'cpu')).toEqual(['main;work 10', 'other 10']);
  expect([...profile.skipped]).toEqual([['writes of the Python helper that found no room', 1], ['looks of the Python helper that failed (ValueError)', 2]]);
});

test('the account may come after the looks, and the looks in pieces', () => {
  const account = readings(7, 100, (ms) => Math.min(ms, 40), () => 0);
  const whole = decode([{ facts: { onCpu: [account] }, text: stream(HALF) }]);
  const late = decode([{ facts: { end: ZERO + 50 * MS }, text: stream(HALF) }, { facts: { onCpu: [account], end: ZERO + 200 * MS }, text: '' }]);
  expect([sums(late, 'cpu'), sums(late, 'off-cpu')]).toEqual([sums(whole, 'cpu'), sums(whole, 'off-cpu')]);
  for (const size of [1, 7, 100]) {
    const cut = decode([{ facts: { onCpu: [account], end: ZERO + 150 * MS }, text: stream(HALF) }], size);
    expect([sums(cut, 'cpu'), sums(cut, 'off-cpu'), cut.skipped.size]).toEqual([sums(whole, 'cpu'), sums(whole, 'off-cpu'), 0]);
  }
});

test('whatever bytes come, nothing is thrown and sums stay finite', () => {
  const good = new TextEncoder().encode(stream(HALF));
  const account = readings(7, 100, (ms) => ms);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(good.length), fc.nat(40), fc.array(fc.double(), { maxLength: 9 }), (noise, at, skip, points) => {
    const bytes = new Uint8Array([...good.subarray(0, at), ...noise, ...good.subarray(Math.min(good.length, at + skip))]);
    const profile = new Profile();
    const decoder = new PythonHelperDecoder(profile, { zeroAt: ZERO, directory: '', source: '' });
    decoder.window({ start: ZERO, end: ZERO + 500 * MS, onCpu: [account, { tid: 3, pid: 7, points, runnable: points }] }, bytes);
    decoder.end();
    for (const lane of profile.lanes) expect(Number.isFinite(lane.total) && lane.total >= 0).toBe(true);
  }), { numRuns: 200 });
});

test('a thread\'s clock: in proportion between readings, still before the first and after the last', () => {
  const clock = new ThreadClock();
  clock.add([100, 0, 200, 50], [0, 20]);
  clock.add([150, 9, 200, 50, 300, 60], [0, 20, 30]);
  expect([50, 100, 150, 200, 250, 400, 120].map((time) => clock.cpuAt(time))).toEqual([0, 0, 25, 50, 55, 60, 10]);
  expect([clock.runnableAt(150), clock.runnableAt(1000)]).toEqual([10, 30]);
  expect([clock.takeCpu(200, 10), clock.takeCpu(300, 20), clock.takeCpu(300, 10)]).toEqual([50, 0, 10]);
  expect(clock.times()).toEqual({ onCpu: 60, runnable: 30, blocked: 110 });
});
