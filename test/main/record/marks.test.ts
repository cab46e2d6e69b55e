import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { MarkFacts } from '#core/model/profile';
import type { Target } from '#core/protocol/api';
import type { MarkSink, Marks, MarksOptions } from '../../../main/record/marks.ts';
import { MARKS_VARIABLE, MarkLines, startMarks } from '../../../main/record/marks.ts';
import { startOf } from '../../../main/processes/identity.ts';

const folder = mkdtempSync(join(tmpdir(), 'flamebench-marks-'));
const children: ChildProcess[] = [];
let reading: { readonly marks: Marks; readonly sink: Collected } | null = null;
let made = 0;

afterEach(() => {
  reading?.marks.close(reading.sink.now());
  reading = null;
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

class Collected implements MarkSink {
  readonly zeroAt = Number(process.hrtime.bigint());
  readonly steps: MarkFacts[] = [];
  readonly skipped = new Map<string, number>();
  readonly notices: string[] = [];
  mark(facts: MarkFacts): void { this.steps.push(facts); }
  skip(what: string, count: number): void { this.skipped.set(what, (this.skipped.get(what) ?? 0) + count); }
  notice({ text }: { text: string }): void { this.notices.push(text); }
  now(): number { return Number(process.hrtime.bigint()); }
  texts(): string[] { return this.steps.map(({ value, text }) => `${value} ${text}`); }
}

const attach = (...pids: number[]): Pick<MarksOptions, 'target' | 'watched'> => {
  const watched = pids.map((pid) => ({ pid, start: startOf(pid) ?? 0 }));
  return { target: { kind: 'attach', processes: watched, children: false }, watched };
};
const launch: Target = { kind: 'launch', argv: ['x'], directory: folder, environment: {} };

function begin(options: Partial<MarksOptions>): Collected {
  const marks = startMarks({ named: '', target: launch, watched: [], environment: {}, folder, ...options });
  const sink = new Collected();
  marks.begin(sink);
  reading = { marks, sink };
  return sink;
}

function end(): Collected {
  if (reading === null) throw new Error('nothing is read');
  const { marks, sink } = reading;
  marks.close(sink.now());
  reading = null;
  return sink;
}

const path = (name: string): string => join(folder, `${name}-${made++}`);

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !done(); i++) await new Promise((next) => setTimeout(next, 20));
  expect(done()).toBe(true);
}

describe('lines', () => {
  const read = (pieces: readonly string[], zeroAt = 0): Collected => {
    const sink = new Collected();
    const lines = new MarkLines({ zeroAt, mark: (facts) => sink.mark(facts), skip: (what, count) => sink.skip(what, count) });
    for (const [i, piece] of pieces.entries()) lines.push(new TextEncoder().encode(piece), 1000 + i);
    lines.finish(9000);
    return sink;
  };
  const spans = ({ steps }: Collected): string[] => steps.map(({ start, end, text }) => `${start}..${end} ${text}`);

  test('each lasts until the next, the last one to the end', () => {
    expect(spans(read(['one\n', 'two\n', 'three\n']))).toEqual(['1000..1001 one', '1001..1002 two', '1002..9000 three']);
  });
  test('cut anywhere, without a last line end', () => {
    const text = 'step ä 1\n\n  step 2  \r\nstep 3';
    for (const size of [1, 7, 100]) {
      const bytes = new TextEncoder().encode(text);
      const sink = new Collected();
      const lines = new MarkLines(sink);
      const now = sink.now();
      for (let i = 0; i < bytes.length; i += size) lines.push(bytes.subarray(i, i + size), now + i);
      lines.finish(now + 1e6);
      expect(sink.texts()).toEqual(['1 step ä 1', '2 step 2', '3 step 3']);
    }
  });
  test('times: nanoseconds, or seconds with a point', () => {
    expect(spans(read(['@100 a\n@0.0000002 b\n@300\n']))).toEqual(['100..200 a', '200..300 b', '300..9000 ']);
    expect(spans(read(['@0.000000999 a\n'], 0))).toEqual(['999..9000 a']);
  });
  test('what is no mark is counted', () => {
    const sink = read(['@soon a\n@99 before\n@500 a\n@400 back\n@9e9 x\n@99999999999999 far\n', `${'x'.repeat(5000)}\nafter\n`, 'y'.repeat(9000), 'yy\nlast\n'], 100);
    expect(sink.texts()).toEqual(['1 a', '2 after', '3 last']);
    expect([...sink.skipped]).toEqual([
      ['lines of marks whose time cannot be read', 2], ['marks with a time outside of the recording', 2], ['marks with a time before the mark before them', 1],
      ['lines of marks that are too long', 2],
    ]);
  });
  test('secrets are masked, long texts cut', () => {
    const sink = read([`token=abcdef123 step\n${'long '.repeat(60)}\n\u001b[31mred\n`]);
    expect(sink.steps[0].text).toBe('token=*** step');
    expect(sink.steps[1].text?.length).toBe(120);
    expect(sink.steps[2].text).toBe('[31mred');
  });
});

describe('a file', () => {
  test('of a running program, from its end on; emptied meanwhile', async () => {
    const file = path('file');
    writeFileSync(file, 'old\n');
    const sink = begin({ ...attach(process.pid), named: file });
    appendFileSync(file, 'a\n');
    await until(() => sink.now() > 0 && true);
    appendFileSync(file, 'b\nc');
    await until(() => sink.steps.length === 1);
    truncateSync(file, 0);
    await new Promise((next) => setTimeout(next, 250));
    appendFileSync(file, '\nd\n');
    await until(() => sink.steps.length === 3);
    expect(end().texts()).toEqual(['1 a', '2 b', '3 c', '4 d']);
  });
  test('that is not there yet', async () => {
    const file = path('later');
    const sink = begin({ ...attach(process.pid), named: file });
    await new Promise((next) => setTimeout(next, 150));
    writeFileSync(file, 'a\nb\n');
    await until(() => sink.steps.length === 1);
    expect(end().texts()).toEqual(['1 a', '2 b']);
    expect(sink.notices).toEqual([]);
  });
  test('that is none', () => {
    expect(begin({ ...attach(process.pid), named: folder }).notices).toEqual([`Marks are not read from ${folder}: it is neither a file nor a FIFO.`]);
    end();
    expect(begin({ ...attach(process.pid), named: '/dev/null' }).notices[0]).toContain('neither a file nor a FIFO');
  });
});

describe('a FIFO', () => {
  test('a writer that waited for a reader is heard', async () => {
    const fifo = path('fifo');
    execFileSync('mkfifo', [fifo]);
    const writer = spawn('sh', ['-c', 'for i in 1 2 3; do echo turn $i > "$0"; done; echo done', fifo], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(writer);
    const done = new Promise((heard) => writer.stdout?.once('data', heard));
    await new Promise((next) => setTimeout(next, 100));
    const sink = begin({ ...attach(process.pid), named: fifo });
    await done;
    await until(() => sink.steps.length === 2);
    expect(end().texts()).toEqual(['1 turn 1', '2 turn 2', '3 turn 3']);
  });

  test('writers come and go, and none is killed, also after the recording', async () => {
    const fifo = path('fifo');
    execFileSync('mkfifo', [fifo]);
    const sink = begin({ ...attach(process.pid), named: fifo });
    for (const name of ['a', 'b']) execFileSync('sh', ['-c', `echo ${name} > "$0"`, fifo]);
    await until(() => sink.steps.length === 1);
    const writer = openSync(fifo, 'w');
    writeSync(writer, 'c\n');
    expect(end().texts()).toEqual(['1 a', '2 b', '3 c']);
    // Nobody would read 200 kB of it, and the pipe holds 64.
    for (let i = 0; i < 200; i++) {
      writeSync(writer, 'x'.repeat(1000));
      if (i % 20 === 0) await new Promise((next) => setTimeout(next, 5));
    }
    closeSync(writer);
    const again = begin({ ...attach(process.pid), named: fifo });
    execFileSync('sh', ['-c', 'echo d > "$0"', fifo]);
    await until(() => again.now() > 0 && again.steps.length === 0);
    await new Promise((next) => setTimeout(next, 50));
    expect(end().texts()).toEqual(['1 d']);
  });
});

describe('programs', () => {
  test('launched: our file, named in its environment', async () => {
    const own = mkdtempSync(join(folder, 'recording-'));
    const marks = startMarks({ named: '', target: launch, watched: [], environment: { PATH: '/bin' }, folder: own });
    const sink = new Collected();
    marks.begin(sink);
    reading = { marks, sink };
    const name = marks.environment[MARKS_VARIABLE];
    expect(name).toBe(join(own, 'marks'));
    const program = `
import os, time
with open(os.environ['FLAMEBENCH_MARKS'], 'a', buffering=1) as marks:
    for step in range(5):
        print(f'@{time.monotonic_ns()} step {step}', file=marks)
        time.sleep(0.02)
`;
    execFileSync('python3', ['-c', program], { env: { ...process.env, ...marks.environment } });
    expect(end().texts()).toEqual(['1 step 0', '2 step 1', '3 step 2', '4 step 3', '5 step 4']);
    const lengths = sink.steps.slice(0, 4).map(({ start, end: stop }) => stop - start);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(20e6);
    expect(readFileSync(name, 'utf8').split('\n').length).toBe(6);
  });

  test('launched with a variable of its own: that one, and it is left alone', () => {
    const marks = startMarks({ named: '', target: launch, watched: [], environment: { [MARKS_VARIABLE]: 'my-marks' }, folder });
    expect(marks.environment).toEqual({});
    const sink = new Collected();
    marks.begin(sink);
    reading = { marks, sink };
    writeFileSync(join(folder, 'my-marks'), 'a\nb\n');
    expect(end().steps.length).toBeGreaterThanOrEqual(0);
    expect(startMarks({ named: 'named', target: launch, watched: [], environment: {}, folder }).environment).toEqual({ [MARKS_VARIABLE]: join(folder, 'named') });
  });

  test('attached: the first process whose environment names a file', async () => {
    const file = path('environ');
    writeFileSync(file, '');
    const plain = spawn('sleep', ['60']);
    const child = spawn('sh', ['-c', 'echo ready; read line; echo "step one" >> "$FLAMEBENCH_MARKS"; echo "step two" >> "$FLAMEBENCH_MARKS"; exec sleep 60'], {
      stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, [MARKS_VARIABLE]: file },
    });
    children.push(plain, child);
    await new Promise((ready) => child.stdout?.once('data', ready));
    const sink = begin(attach(plain.pid ?? 0, child.pid ?? 0));
    child.stdin?.write('go\n');
    await until(() => sink.steps.length === 1);
    expect(end().texts()).toEqual(['1 step one', '2 step two']);
  });

  test('attached without one: nothing is read, nothing is said', () => {
    const child = spawn('sleep', ['60']);
    children.push(child);
    expect(begin(attach(child.pid ?? 0)).notices).toEqual([]);
    expect(end().steps).toEqual([]);
  });

  if (process.getuid?.() !== 0) console.log('skipped: marks in a file of another user, only root can make one');
  test.skipIf(process.getuid?.() !== 0)('attached: a file of another user is not read (as root)', async () => {
    const child = spawn('sh', ['-c', 'echo ready; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'], uid: 65534, env: { PATH: '/bin:/usr/bin', [MARKS_VARIABLE]: '/etc/shadow' } });
    children.push(child);
    await new Promise((ready) => child.stdout?.once('data', ready));
    expect(begin(attach(child.pid ?? 0)).notices).toEqual(['Marks are not read from /etc/shadow: it belongs to another user than the target.']);
  });
});
