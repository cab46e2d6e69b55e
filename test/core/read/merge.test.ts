// Python and native stacks in, merged trees out. Times are ms; py-spy's are LAG late, as they are.
import { describe, expect, test } from 'vitest';
import { CallTree } from '#core/analyze/call-tree';
import { EVERYTHING } from '#core/analyze/view';
import type { FrameId, LaneId, StackId, ThreadId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import type { Lane, LaneFacts } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { FUNCTION_UNNAMED } from '#core/model/tables';
import { Merger } from '#core/read/merge';
import { addStacks, frameOf, picture, stacks, treeText } from '../../support/stacks.ts';

const MS = 1e6;
const LAG = 10;
const EVAL = '_PyEval_EvalFrameDefault #python ~interpreter';

class Scene {
  readonly profile: Profile;
  readonly lane: Lane;
  readonly merger: Merger;
  now = 0;

  constructor(facts: Partial<LaneFacts> = {}) {
    ({ profile: this.profile, lane: this.lane } = stacks('', { name: 'cpu-clock', ...facts }));
    this.merger = new Merger(this.profile);
  }

  /** perf's rows: `at thread | frames weight`; EVAL stands for an evaluation frame. */
  native(text: string): this {
    const rows = text.split('\n').map((line) => line.replaceAll('EVAL', EVAL).replace(/^\s*(\d+)(?:\+(\d+))?/, (_, at: string, length?: string) => `${Number(at) * MS}${length === undefined ? '' : `+${Number(length) * MS}`}`));
    addStacks(this, rows.join('\n'));
    return this;
  }

  /** py-spy's spans: `from-to thread | frames`. */
  python(text: string): this {
    for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
      const [, from, to, thread, path] = /^\s*(\d+)-(\d+) *(\S*) *\| *(.*)$/.exec(line) ?? [];
      const row = this.#row(thread || 'main');
      const frames = path.split(';').map((frame) => frameOf(this.profile, `${frame} @train.py ~python !`));
      this.merger.span(this.profile.processes.pid.get(this.profile.threads.process.get(row)), this.profile.threads.tid.get(row), (Number(from) + LAG) * MS, (Number(to) + LAG) * MS, this.profile.stacks.internAll(frames));
    }
    return this;
  }

  covered(until: number, pid = 100): this {
    this.merger.covered(pid, until * MS);
    return this.step();
  }

  step(wait = 10): this {
    this.now += wait;
    this.merger.step(this.now);
    return this;
  }

  finish(): this {
    this.merger.finish();
    return this;
  }

  get tree(): string {
    return treeText(new CallTree(this.profile, this.lane, { ...EVERYTHING, stacks: 'merged' }, false));
  }

  get counts(): [merged: number, unmerged: number] {
    return [this.lane.pythonMerged, this.lane.pythonUnmerged];
  }

  #row(name: string): ThreadId {
    for (let row = 0; row < this.profile.threads.length; row++) if (this.profile.threads.nameOf(row as ThreadId) === name) return row as ThreadId;
    throw new Error(`perf saw no thread ${name}`);
  }
}

describe('one stack of two', () => {
  test('native above, Python, native below', () => {
    const scene = new Scene().native(`
      100 | _start;Py_RunMain;EVAL;EVAL;zlib_compress;deflate 5
      110 | _start;Py_RunMain;EVAL;EVAL 2
    `).python('0-200 | <module>;train;pack').finish();
    expect(scene.tree).toBe(picture(`
      _start 7
        Py_RunMain 7
          <module> 7
            train 7
              pack 7 (2)
                zlib_compress 5
                  deflate 5 (5)
    `));
    expect(scene.counts).toEqual([2, 0]);
    expect(treeText(new CallTree(scene.profile, scene.lane, { ...EVERYTHING, stacks: 'own' }, false))).toContain('_PyEval_EvalFrameDefault');
  });

  test('C calls Python, which calls C, which calls Python: what is between is Python\'s', () => {
    const scene = new Scene().native('100 | main;run_mod;PyEval_EvalCode;_PyEval_Vector;EVAL;builtin_sorted;list_sort;EVAL;slot_nb_add;EVAL;memcpy 3')
      .python('0-200 | <module>;order;key;__add__').finish();
    expect(scene.tree).toBe(picture(`
      main 3
        run_mod 3
          <module> 3
            order 3
              key 3
                __add__ 3
                  memcpy 3 (3)
    `));
  });

  test('evaluation frames of other versions, and the trampolines of -X perf', () => {
    for (const frames of ['_PyEval_EvalFrame', 'PyEval_EvalFrameEx', '_PyEval_EvalFrameDefault.cold', '<module> @train.py ~python;EVAL']) {
      expect(new Scene().native(`100 | main;${frames};leaf 1`).python('0-200 | <module>').finish().tree).toBe(picture(`
        main 1
          <module> 1
            leaf 1 (1)
      `));
    }
  });

  test('a stack that was cut takes the root that its thread\'s whole stacks have', () => {
    const scene = new Scene().native(`
      100 | main;EVAL;work 1
      110 | [truncated] ~marker;EVAL;EVAL;work 2
      120 | [unwinding lost] ~marker;gemm_kernel 4
    `).python('0-200 | <module>;train').finish();
    expect(scene.tree).toBe(picture(`
      main 7
        <module> 7
          train 7
            [unwinding lost] 4
              gemm_kernel 4 (4)
            work 3 (3)
    `));
    expect(scene.counts).toEqual([3, 0]);
  });

  test('an interval takes what ran in its middle', () => {
    const scene = new Scene({ kind: 'off-cpu', intervals: true, name: 'sched' }).native('100+200 | main;EVAL;read;schedule 200')
      .python('0-120 | <module>;before\n130-290 | <module>;load').finish();
    expect(scene.tree).toContain('load 200');
  });
});

describe('what is not merged', () => {
  test('a thread without Python keeps its stack and is final at once', () => {
    const scene = new Scene().native('100 worker | clone;worker_loop;gemm 5').step();
    expect(scene.lane.mergedRows).toBe(1);
    expect(scene.counts).toEqual([0, 0]);
    expect(scene.tree).toBe(picture(`
      clone 5
        worker_loop 5
          gemm 5 (5)
    `));
  });

  test('a Python stack too far away in time: the native one stays, counted', () => {
    const scene = new Scene().native('100 | main;EVAL;leaf 1\n200 | main;EVAL;leaf 2').python('0-80 | <module>\n210-300 | <module>').finish();
    expect(scene.tree).toBe(picture(`
      main 3
        <module> 2
          leaf 2 (2)
        _PyEval_EvalFrameDefault 1
          leaf 1 (1)
    `));
    expect(scene.counts).toEqual([1, 1]);
  });

  test('threads and processes of other names do not lend their stacks', () => {
    const scene = new Scene().native('100 main | main;EVAL 1\n100 helper | clone;EVAL 2\n100 main@other | main;EVAL 4').python('0-200 helper | run;help').finish();
    expect(scene.tree).toBe(picture(`
      clone 2
        run 2
          help 2 (2)
      main 5
        _PyEval_EvalFrameDefault 5 (5)
    `));
    expect(scene.counts).toEqual([1, 2]);
  });
});

describe('in the order of rows, as they become final', () => {
  test('rows wait for their window, and those behind wait with them', () => {
    const scene = new Scene().native('100 | main;EVAL 1\n110 | main;EVAL 1\n120 worker | clone;gemm 1').step();
    expect(scene.lane.mergedRows).toBe(0);
    scene.python('0-150 | <module>').covered(150);
    expect(scene.lane.mergedRows).toBe(1);
    const tree = new CallTree(scene.profile, scene.lane, EVERYTHING, false);
    expect([tree.total, tree.merged]).toEqual([1, true]);
    scene.python('150-600 | <module>').covered(600);
    tree.update();
    expect([tree.total, scene.lane.mergedRows]).toEqual([3, 3]);
    expect(treeText(tree)).toBe(scene.tree);
  });

  test('a window that never comes is not waited for: by the lane\'s time, by the clock, and when py-spy has ended', () => {
    const byTime = new Scene().native('100 | main;EVAL 1').step().native('3200 | main;EVAL 1').step();
    expect([byTime.lane.mergedRows, byTime.counts]).toEqual([1, [0, 1]]);
    const byClock = new Scene().native('100 | main;EVAL 1').step().step(4500);
    expect(byClock.lane.mergedRows).toBe(1);
    const ended = new Scene().native('100 | main;EVAL 1');
    ended.merger.end();
    expect(ended.step().lane.mergedRows).toBe(1);
    const behind = new Scene().native('100 | main;EVAL 1').native('3200 | main;EVAL 1');
    behind.merger.step(0, true);
    expect(behind.lane.mergedRows).toBe(0);
  });

  test('a process that no window tells of holds the others back only at first', () => {
    const scene = new Scene();
    for (let i = 0; i < 60; i++) scene.native(`${100 + i * 100} main@other | main;EVAL 1`).step();
    expect(scene.lane.mergedRows).toBe(60);
  });

  test('a name that is still looked for is waited for, and then decides', () => {
    const scene = new Scene();
    const { frames, functions, strings } = scene.profile;
    const unnamed = functions.intern({ name: '[python+0x1000]', library: 'python', kind: 'native', flags: FUNCTION_UNNAMED });
    const late: FrameId = frames.native(strings.intern('/bin/python'), 0x1010, 'eh-frame', unnamed);
    scene.native('1 | main 1').python('0-500 | <module>;train').covered(1000);
    const stack = scene.profile.stacks.internAll([frameOf(scene.profile, 'main'), late, frameOf(scene.profile, 'leaf')]);
    scene.lane.push(100 * MS, 0, stack, 4);
    expect(scene.step().lane.mergedRows).toBe(1);
    frames.setFunction(late, functions.intern({ name: '_PyEval_EvalFrameDefault', library: 'python', kind: 'interpreter' }));
    expect(scene.step().lane.mergedRows).toBe(2);
    expect(scene.tree).toBe(picture(`
      main 5 (1)
        <module> 4
          train 4
            leaf 4 (4)
    `));
  });

  test('a function that stays without a name holds nothing up: once looked for, or after 2 s', () => {
    const at = (scene: Scene) => {
      const fn = scene.profile.functions.intern({ name: '[lib+0x10]', library: 'lib', kind: 'native', flags: FUNCTION_UNNAMED });
      scene.native('1 | main 1');
      scene.lane.push(MS, 0, scene.profile.stacks.internAll([scene.profile.frames.source(fn)]), 1);
      return scene.step();
    };
    const looked = at(new Scene());
    expect(looked.lane.mergedRows).toBe(1);
    looked.merger.named();
    expect(looked.step().lane.mergedRows).toBe(2);
    expect(at(new Scene()).step(2100).lane.mergedRows).toBe(2);
  });
});

test('near an edge the function that is known to call the native one is taken', () => {
  const scene = new Scene();
  let native = '';
  let python = '';
  // 100 ms each in turn; py-spy saw every second change 12 ms too early.
  for (let i = 0; i < 40; i++) {
    const pack = i % 2 === 0;
    const [from, to] = [i * 100 - (pack ? 0 : 12), (i + 1) * 100 - (pack ? 12 : 0)];
    python += `${from}-${to} | <module>;${pack ? 'pack' : 'digest'}\n`;
    for (let at = 1; at < 100; at += 10) native += `${i * 100 + at} | main;EVAL;${pack ? 'zlib_compress' : 'sha256'} 1\n`;
  }
  scene.native(native).python(python).finish();
  expect(scene.counts).toEqual([400, 0]);
  expect(scene.tree).toBe(picture(`
    main 400
      <module> 400
        digest 200
          sha256 200 (200)
        pack 200
          zlib_compress 200 (200)
  `));
});

test('many rows and spans: what is long over is forgotten, and every row gets its stack', () => {
  const scene = new Scene();
  for (let second = 0; second < 120; second++) {
    scene.native(Array.from({ length: 20 }, (_, i) => `${second * 1000 + i * 50} | main;EVAL;leaf${i % 3} 1`).join('\n'));
    scene.python(Array.from({ length: 20 }, (_, i) => `${second * 1000 + i * 50}-${second * 1000 + i * 50 + 50} | <module>;f${second % 7};g${i}`).join('\n'));
    scene.covered((second + 1) * 1000);
  }
  scene.finish();
  expect([scene.lane.mergedRows, scene.counts]).toEqual([2400, [2400, 0]]);
});

describe('what stands above Python', () => {
  test('the interpreter\'s and the C library\'s own start is left out; a program that embeds Python stays', () => {
    const scene = new Scene()
      .native(`10 main | _start #python3.11; __libc_start_main #libc.so.6; Py_RunMain #libpython3.11.so.1.0; EVAL; sha256 #_hashlib.so 10
               20 main | _start #server; serve #server; PyObject_Call #libpython3.11.so.1.0; EVAL; inflate #libz.so.1 10`)
      .python(`0-100 | <module>; train`).covered(200).finish();
    expect(scene.tree).toBe(picture(`
      <module> 10
        train 10
          sha256 10 (10)
      _start 10
        serve 10
          PyObject_Call 10
            <module> 10
              train 10
                inflate 10 (10)
    `));
  });
});

describe('where the native stack names Python functions itself', () => {
  const at = (name: string): string => `${name} @train.py:7 ~python !`;
  const GAP = '[callers not known] ~marker';

  test('all of them: nothing is waited for, no other source is needed', () => {
    const scene = new Scene().native(`100 | main;EVAL;${at('<module>')};${at('train')};cfunction_call;sorted_impl;EVAL;${at('key')};memcmp 3`).step();
    // What C does between two Python functions is theirs.
    expect(scene.tree).toBe(picture(`
      main 3
        <module> 3
          train 3
            key 3
              memcmp 3 (3)
    `));
    expect([scene.counts, scene.lane.pythonPartly]).toEqual([[1, 0], 0]);
  });

  test('the innermost one: of the stacks near that moment the one that fits, however short it was seen', () => {
    const scene = new Scene().native(`
      100 | main;EVAL;${GAP};${at('pack')};zlib_compress 1
      105 | main;EVAL;${GAP};${at('digest')};sha256 1
    `).python('0-95 | <module>;train;digest\n95-97 | <module>;train;pack\n97-300 | <module>;train;digest').finish();
    expect(scene.tree).toBe(picture(`
      main 2
        <module> 2
          train 2
            digest 1
              sha256 1 (1)
            pack 1
              zlib_compress 1 (1)
    `));
    expect([scene.counts, scene.lane.pythonPartly]).toEqual([[2, 0], 0]);
  });

  test('one that nobody saw: its callers as far as they are named, then itself: in part', () => {
    const scene = new Scene().native(`100 | main;EVAL;${at('<module>')};call;EVAL;${GAP};${at('rare')};work 1`).python('0-300 | <module>;train;digest').finish();
    expect(scene.tree).toBe(picture(`
      main 1
        <module> 1
          rare 1
            work 1 (1)
    `));
    expect([scene.counts, scene.lane.pythonPartly]).toEqual([[1, 0], 1]);
  });

  test('one that several call, which change fast: what they have in common', () => {
    const spans = Array.from({ length: 60 }, (_, i) => `${i * 10}-${i * 10 + 10} | <module>;turn;${i % 2 === 0 ? 'long' : 'short'};pack`).join('\n');
    const scene = new Scene().native(`300 | main;EVAL;${GAP};${at('pack')};zlib_compress 1`).python(spans).finish();
    expect(scene.tree).toBe(picture(`
      main 1
        <module> 1
          turn 1
            pack 1
              zlib_compress 1 (1)
    `));
    expect(scene.lane.pythonPartly).toBe(1);
  });

  test('one that several call, each for long: time tells which', () => {
    const spans = Array.from({ length: 8 }, (_, i) => `${i * 100}-${i * 100 + 100} | <module>;turn;${i % 2 === 0 ? 'decode' : 'shuffle'};pack`).join('\n');
    const scene = new Scene().native(`640 | main;EVAL;${GAP};${at('pack')};zlib_compress 1\n740 | main;EVAL;${GAP};${at('pack')};zlib_compress 1`).python(spans).finish();
    expect(scene.tree).toContain('decode 1');
    expect(scene.tree).toContain('shuffle 1');
    expect(scene.lane.pythonPartly).toBe(0);
  });
});

test('memory that the kernel gave: by the stack that mapped it, when it goes too', () => {
  const scene = new Scene({ kind: 'memory', unit: 'bytes', name: 'perf mmap held' })
    .native('100 | main;EVAL;mmap 4096').python('0-200 | <module>;load\n200-500 | <module>;drop').finish();
  expect(scene.profile.stacks.framesOf(scene.lane.chunks[0].merged?.[0] as never).map((frame) => scene.profile.functions.nameOf(scene.profile.frames.functionOf(frame)))).toEqual(['main', '<module>', 'load', 'mmap']);
  const stack = scene.lane.chunks[0].stack[0];
  scene.lane.push(400 * MS, 0, stack, -4096);
  scene.finish();
  const { merged } = scene.lane.chunks[0];
  expect([merged?.[0] === merged?.[1], scene.lane.mergedRows]).toEqual([true, 2]);
});

test('a wait that goes on has its Python stack as soon as it is known', () => {
  const scene = new Scene({ kind: 'off-cpu', intervals: true, name: 'sched' }).native('10+5 | main;EVAL;read;schedule 5');
  const { profile, lane } = scene;
  const names = () => profile.open.map((one) => profile.stacks.framesOf(one.stack).map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame))).join(';'));
  profile.open = [{ lane: profile.lanes.indexOf(lane) as LaneId, thread: 0 as ThreadId, stack: lane.chunks[0].stack[0] as StackId, since: ns(100 * MS) }];
  scene.step();
  expect(names()).toEqual(['main;_PyEval_EvalFrameDefault;read;schedule']);
  scene.python('0-90 | <module>;train\n90-700 | <module>;load').covered(700);
  expect(names()).toEqual(['main;<module>;load;read;schedule']);
  scene.step();
  expect(names()).toEqual(['main;<module>;load;read;schedule']);
});
