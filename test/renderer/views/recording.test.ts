import { describe, expect, test } from 'vitest';
import { FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';
import { NO_STACK, ns } from '#core/model/ids';
import type { ProcessId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import type { LaneStatus, ProfileStatus } from '#core/protocol/api';
import { convertCommand, fileName, quoted } from '../../../renderer/views/picture/command.ts';
import { legibleFrom, sizeOf, textSizeOf, unitsOf, unitsOfText, within } from '../../../renderer/views/picture/options.ts';
import { threadChoices, threadsText } from '../../../renderer/views/recording/threads.ts';
import type { EmptyFacts } from '../../../renderer/views/recording/waiting.ts';
import { emptiness } from '../../../renderer/views/recording/waiting.ts';
import { cost, durationText, transformText } from '../../../renderer/views/recording/words.ts';
import { firstDirection, sorted } from '../../../renderer/views/table/sort.ts';

const STATUS: ProfileStatus = {
  phase: 'recording', elapsed: 2e9, samples: 0, lost: 0, ownCpu: null, profilerCpu: null, targetCost: null, paused: false, progress: null, notices: [], lanes: [], rate: 0, target: null,
};

describe('the command line of a picture', () => {
  test('says what differs from the defaults', () => {
    const view = { ...FIRST_VIEW, lane: { kind: 'cpu' as const, name: '' }, selection: { ...FIRST_VIEW.selection, ranges: [[31.2e9, 36.84e9]] as const }, search: 'jpeg|jsimd' };
    expect(convertCommand('run.flamebench', 'slide.png', view, { ...FIRST_PICTURE, title: 'Decoding takes 41 %', theme: 'dark' })).toBe(
      "flamebench convert run.flamebench -o slide.png --lane cpu --from 31.2 --to 36.84 --search 'jpeg|jsimd' --title 'Decoding takes 41 %' --scale 2 --theme dark",
    );
  });

  test('a zoom and threads go as a view', () => {
    const command = convertCommand('run.flamebench', 'slide.svg', { ...FIRST_VIEW, zoom: [{ name: "it's", file: '', library: '' }] }, FIRST_PICTURE);
    expect(command).toContain(String.raw`--view '{"zoom":[{"name":"it'\''s"`);
    expect(command).not.toContain('--scale');
  });

  test('a lane that is not the only one of its kind is named whole', () => {
    const view = { ...FIRST_VIEW, lane: { kind: 'cpu' as const, name: 'py-spy' } };
    expect(convertCommand('run.flamebench', 'slide.png', view, FIRST_PICTURE)).toBe('flamebench convert run.flamebench -o slide.png --lane cpu --scale 2');
    expect(convertCommand('run.flamebench', 'slide.png', view, FIRST_PICTURE, false)).toBe(
      `flamebench convert run.flamebench -o slide.png --scale 2 --view '{"lane":{"kind":"cpu","name":"py-spy"}}'`,
    );
  });

  test('everything that the sheet sets is said', () => {
    const picture = { ...FIRST_PICTURE, subtitle: 'on one core', legend: false, caption: false, text: 27, depth: 10, callouts: [{ path: [{ name: 'main', file: '', library: '' }], title: 'all', note: '' }] };
    expect(convertCommand('run.flamebench', 'slide.png', FIRST_VIEW, picture)).toBe(
      `flamebench convert run.flamebench -o slide.png --subtitle 'on one core' --scale 2 --no-legend --no-caption --text 27 --depth 10 --picture '{"callouts":[{"path":[{"name":"main","file":"","library":""}],"title":"all","note":""}]}'`,
    );
  });

  test('all panes go as a view, and no single lane is named', () => {
    const panes = [{ kind: 'cpu' as const, lane: null, inverted: false, zoom: [], selected: [] }, { kind: 'off-cpu' as const, lane: null, inverted: false, zoom: [], selected: [] }];
    const command = convertCommand('run.flamebench', 'slide.svg', { ...FIRST_VIEW, lane: { kind: 'cpu', name: '' }, panes, focus: 1 }, FIRST_PICTURE);
    expect(command).toBe(`flamebench convert run.flamebench -o slide.svg --view '${JSON.stringify({ panes, focus: 1 })}'`);
  });

  test('words are quoted for a shell', () => {
    expect(quoted('run-1.flamebench')).toBe('run-1.flamebench');
    expect(quoted('$(rm -r /)')).toBe("'$(rm -r /)'");
    expect(quoted('')).toBe("''");
    expect(fileName('Data loading: 41 % / CPU', '.png')).toBe('Data-loading-41-CPU.png');
    expect(fileName('///', '.png')).toBe('picture.png');
  });
});

test('sizes and text of a picture', () => {
  expect(sizeOf(FIRST_PICTURE)).toBe('16:9');
  expect(unitsOf('4:3', FIRST_PICTURE)).toEqual({ width: 1440, height: 1080 });
  expect(sizeOf(unitsOf('free', FIRST_PICTURE))).toBe('free');
  for (const size of ['M', 'L', 'XL'] as const) expect(textSizeOf(unitsOfText(size))).toBe(size);
  expect(unitsOfText('M')).toBe(22);
  expect(within('abc', 400, 8000, 1920)).toBe(1920);
  expect(within('99999', 400, 8000, 1920)).toBe(8000);
  expect(legibleFrom(22, 1920)).toBe(8);
});

describe('an empty picture says why', () => {
  const facts: EmptyFacts = { status: STATUS, kind: 'cpu', lane: null, laneSamples: 0, ranges: null, during: '', laneTitle: 'CPU', source: '', several: false };
  const lane = (kind: LaneStatus['kind'], state: LaneStatus['state'], more: Partial<LaneStatus> = {}): LaneStatus => ({ kind, state, profilers: [], text: '', command: '', switchable: false, ...more });

  test('while nothing has come', () => {
    expect(emptiness(facts).title).toBe('Waiting for the first samples');
    expect(emptiness({ ...facts, status: { ...STATUS, phase: 'starting' } }).title).toBe('Waiting for the profiler');
  });

  test('when it failed: what happened and the one command', () => {
    const status = { ...STATUS, phase: 'failed' as const, notices: [{ id: 'n', level: 'bad' as const, text: 'perf may not look at this process', command: 'sudo sysctl x=1' }] };
    expect(emptiness({ ...facts, status })).toMatchObject({ title: 'perf may not look at this process', command: 'sudo sysctl x=1', notice: 'n' });
  });

  test('when a range or a filter leaves nothing', () => {
    expect(emptiness({ ...facts, laneSamples: 9, ranges: [[33.1e9, 33.18e9]] })).toMatchObject({ title: 'No CPU samples in 33.100 – 33.180 s', offer: 'whole' });
    expect(emptiness({ ...facts, laneSamples: 9 }).offer).toBe('threads');
    expect(emptiness({ ...facts, laneSamples: 9, during: 'while load waits' })).toMatchObject({ title: 'Nothing in CPU while load waits', offer: 'while' });
  });

  test('a lane that cannot be here says why, and that the others go on', () => {
    const cuda = { ...facts, kind: 'cuda' as const, laneTitle: 'CUDA', several: true };
    expect(emptiness({ ...cuda, lane: lane('cuda', 'none', { text: 'There is no GPU.' }) }))
      .toMatchObject({ title: 'GPU kernels cannot be captured here', text: 'There is no GPU.', command: '', foot: 'The other lanes go on.', sign: 'no' });
    expect(emptiness({ ...cuda, lane: lane('cuda', 'none', { text: 'ptrace_scope is 1.', command: 'sudo sysctl kernel.yama.ptrace_scope=0' }) }))
      .toMatchObject({ title: 'GPU kernels cannot be captured from this process yet', command: 'sudo sysctl kernel.yama.ptrace_scope=0' });
  });

  test('a lane that is off can be switched on while recording', () => {
    const memory = { ...facts, kind: 'memory' as const, laneTitle: 'Memory', several: true };
    expect(emptiness({ ...memory, lane: lane('memory', 'off', { switchable: true }) })).toMatchObject({ title: 'Memory is switched off', offer: 'switch-on' });
    expect(emptiness({ ...memory, lane: lane('memory', 'off', { text: 'Not asked for.' }), status: { ...STATUS, phase: 'done' } })).toMatchObject({ title: 'Memory was not recorded', offer: 'none' });
  });

  test('each lane says what it waits for; what is wrong with all of it stands in the first one', () => {
    const status = { ...STATUS, notices: [{ id: 'n', level: 'warn' as const, text: 'perf is late', command: '' }] };
    expect(emptiness({ ...facts, status, several: true, lane: lane('cpu', 'on') })).toMatchObject({ notice: 'n', foot: 'perf is late' });
    const memory = emptiness({ ...facts, status, several: true, kind: 'memory', laneTitle: 'Memory', lane: lane('memory', 'on', { profilers: ['perf'] }) });
    expect(memory).toMatchObject({ notice: '', title: 'Waiting for the first samples' });
    expect(memory.text).toContain('has not grown since the recording began');
  });
});

test('threads are chosen busiest first; many of one name together', () => {
  const profile = new Profile();
  const process = profile.processes.add({ pid: 7, name: 'train.py' });
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
  const stack = profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: 'f', kind: 'native' })));
  const add = (name: string, tid: number, samples: number) => {
    const thread = profile.threads.add({ process, tid, name });
    for (let i = 0; i < samples; i++) lane.add({ time: ns(i), thread, stack, weight: 1 });
  };
  add('main', 7, 3);
  add('loader', 8, 5);
  add('idle', 9, 0);
  const choices = threadChoices(profile, lane);
  expect(choices.map((choice) => `${choice.label}: ${choice.note}`)).toEqual(['loader 8: 5', 'main 7: 3']);
  expect(threadsText(null, choices)).toBe('All 2 threads');
  expect(threadsText(choices[0].rows, choices)).toBe('loader 8');
  for (let i = 0; i < 60; i++) add('short', 100 + i, 1);
  expect(threadChoices(profile, lane)[0]).toMatchObject({ label: '60 × short', note: '60' });
});

test('phases before exec and helpers under 1 % are one choice', () => {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'cpu-clock' })];
  const stack = profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: 'f', kind: 'native' })));
  const own = profile.processes.add({ pid: 7, name: 'python3' });
  const helper = profile.processes.add({ pid: 8, name: 'uname' });
  const worker = profile.processes.add({ pid: 9, name: 'python3' });
  const add = (process: ProcessId, name: string, tid: number, generation: number, samples: number) => {
    const thread = profile.threads.add({ process, tid, name, generation });
    for (let i = 0; i < samples; i++) lane.add({ time: ns(i), thread, stack, weight: 1 });
  };
  add(own, 'bash', 7, 0, 20);
  add(own, 'env', 7, 1, 1);
  add(own, 'python3', 7, 2, 600);
  add(helper, 'uname', 8, 0, 3);
  add(worker, 'python3', 9, 0, 90);
  expect(threadChoices(profile, lane).map((choice) => `${choice.label}: ${choice.note}`))
    .toEqual(['python3 7, python3 7: 600', 'python3 9, python3 9: 90', '3 short-lived: 24']);
});

test('the functions table sorts stably', () => {
  const profile = new Profile();
  const rows = ['b', 'a', 'c'].map((name, i) => ({
    fn: profile.functions.intern({ name, kind: 'native', library: 'lib.so' }), self: i === 2 ? 5 : 1, total: 5, selfSamples: 1, samples: 1, boxes: 1,
  }));
  const names = (by: 'self' | 'total' | 'name') => sorted(rows, by, firstDirection(by), profile.functions).map((row) => profile.functions.nameOf(row.fn)).join('');
  expect(names('self')).toBe('cab');
  expect(names('total')).toBe('abc');
  expect(names('name')).toBe('abc');
});

test('words', () => {
  expect(cost(null)).toBe('measuring');
  expect(cost(0.2)).toBe('< 1 % of a core');
  expect(cost(7.4)).toBe('7 % of a core');
  expect(durationText(42.6e9)).toBe('42.6 s');
  expect(durationText(192e9)).toBe('3 min 12 s');
  expect(durationText(3900e9)).toBe('1 h 05 min');
  expect(transformText({ kind: 'collapse-library', library: 'libc.so.6' })).toBe('Collapsed libc.so.6');
});
