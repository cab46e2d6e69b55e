// Traces of other people: sums, counts and idle time against what other tools found in them (the figures beside them), and against a few
// lines of plain script on JSON.parse of the whole.
import { describe, expect, test } from 'vitest';
import type { FrameId, StackId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { KinetoTogether } from '#core/read/kineto/format';
import { read, tree } from '../reading.ts';
import { sharedData } from '../shared-data.ts';

interface PlainEvent { readonly ph: string; readonly cat?: string; readonly name: string; readonly pid: number | string; readonly tid: number | string; readonly ts: number; readonly dur: number; readonly args?: Record<string, number | string | null> }

const TRACELENS = ['bert-small', 'qwen1.5-0.5b', 'timesformer'].map((name) => `others/kineto/tracelens/h100-${name}.json.gz`);
const HTA = [
  'critical_path__alexnet__benchmark_result_2869224_1695835535_trace.json.gz', 'critical_path__cuda_event_sync__event_sync_trace.json.gz',
  'ns_resolution_trace__rank-0.Apr_03_18_51_38.1102.pt.trace.json.gz', 'trace_filter__sampled_rank-0.json.gz', 'trace_filter__sampled_rank-1.json.gz',
  'triton_example__triton_example.json.gz', 'call_stack__backward_thread.json',
].map((name) => `others/kineto/hta/${name}`);
const OTHERS = ['others/kineto/tb_plugin/resnet50_num_workers_0.worker0.1623143089861.pt.trace.json.gz', 'others/kineto/switch-transformers/trace.json'];
const GPU = new Set(['kernel', 'gpu_memcpy', 'gpu_memset', 'Kernel', 'Memcpy', 'Memset']);
const LAUNCH = new Set(['cuda_runtime', 'cuda_driver', 'Runtime']);
const HOST = new Set([...LAUNCH, 'cpu_op', 'user_annotation', 'Operator']);

const json = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());
const text = (path: string): string | null => {
  const bytes = sharedData(path);
  return bytes === null ? null : Buffer.from(bytes).toString();
};

/** The rows of a CSV file without quoted commas in the columns that are asked for. */
function csv(path: string): Record<string, string>[] {
  const [head, ...lines] = (text(path) ?? '').trim().split('\n');
  const columns = head.split(',');
  return lines.map((line) => Object.fromEntries(columns.map((column, i) => [column, line.split(',')[i]])));
}

function eachRow(lane: Lane | null, visit: (time: number, duration: number, weight: number, stack: StackId, thread: number) => void): void {
  for (const chunk of lane?.chunks ?? []) {
    for (let row = 0; row < chunk.rows; row++) visit(chunk.timeAt(row), chunk.duration.get(row), chunk.weight.get(row), chunk.stack[row] as StackId, chunk.thread[row]);
  }
}

function namesOf(profile: Profile, stack: StackId): string[] {
  return profile.stacks.framesOf(stack).map((frame: FrameId) => profile.functions.nameOf(profile.frames.functionOf(frame)));
}

/** ns, exact for what is in the file: microseconds with three digits. */
const nanos = (micros: number): number => Math.round(micros * 1000);

/** Time in which no operation runs, between the first and the last, device by device. */
function plainIdle(events: readonly PlainEvent[]): number {
  let idle = 0;
  for (const device of new Set(events.map((event) => event.pid))) {
    const own = events.filter((event) => event.pid === device).sort((a, b) => a.ts - b.ts);
    let end = Infinity;
    for (const event of own) {
      if (event.ts > end) idle += event.ts - end;
      end = end === Infinity ? event.ts + event.dur : Math.max(end, event.ts + event.dur);
    }
  }
  return idle;
}

const profiles = new Map<string, Profile>();

/** Each file is read once. */
function profileOf(path: string, bytes: Uint8Array): Profile {
  let profile = profiles.get(path);
  if (profile === undefined) {
    const done = read(bytes, path);
    expect(done.format.id).toBe('kineto');
    profiles.set(path, (profile = done.profile));
  }
  return profile;
}

function plain(bytes: Uint8Array): PlainEvent[] {
  const value = json(bytes) as { traceEvents: PlainEvent[] };
  return value.traceEvents;
}

describe.each([...TRACELENS, ...HTA, ...OTHERS])('%s', (path) => {
  test('GPU time, operations, idle time and stacks are those of a plain script', () => {
    const bytes = sharedData(path);
    if (bytes === null) return;
    const profile = profileOf(path, bytes);
    const events = plain(bytes).filter((event) => event.ph === 'X');
    const work = events.filter((event) => GPU.has(event.cat ?? ''));
    const cuda = profile.lane('cuda');
    expect(cuda?.total).toBe(work.reduce((sum, event) => sum + nanos(event.dur), 0));
    expect(cuda?.samples).toBe(work.length);
    // Times of the plain script are rounded doubles: within a thousandth of a microsecond for each operation.
    expect(Math.abs((profile.lane('gpu-idle')?.total ?? 0) / 1000 - plainIdle(work))).toBeLessThan(0.3 * work.length + 1);

    const launches = new Map(events.filter((event) => LAUNCH.has(event.cat ?? '')).map((event) => [event.args?.['correlation'], event]));
    const expected = new Map<string, number>();
    const add = (map: Map<string, number>, key: string, value: number) => map.set(key, (map.get(key) ?? 0) + value);
    for (const event of work) {
      const launch = launches.get(event.args?.['correlation']);
      add(expected, `${launch?.name ?? '[no launch record]'} > ${event.name}`, nanos(event.dur));
    }
    const found = new Map<string, number>();
    eachRow(cuda, (_time, _duration, weight, stack) => add(found, namesOf(profile, stack).slice(-2).join(' > '), weight));
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
    const copied = work.filter((event) => /memcpy/i.test(event.cat ?? '')).reduce((sum, event) => sum + Number(event.args?.['bytes'] ?? 0), 0);
    expect(profile.lane('other', 'copied bytes')?.total ?? 0).toBe(copied);

    // The stack of an operation is what a search among all host events finds around its launch.
    const host = events.filter((event) => HOST.has(event.cat ?? ''));
    const byStart = new Map<string, string[]>();
    const first = Math.min(...work.map((event) => event.ts));
    let shift = Infinity;
    eachRow(profile.lane('cuda'), (time, duration, _weight, stack) => {
      shift = Math.min(shift, time);
      const names = namesOf(profile, stack);
      const key = `${time} ${duration} ${names.at(-1)}`;
      byStart.set(key, [...(byStart.get(key) ?? []), names.join('\n')]);
    });
    const ops = new Set(host.map((event) => event.name.replace(/^ProfilerStep#\d+$/, 'ProfilerStep')));
    let compared = 0;
    for (let i = 0; i < work.length; i += Math.max(1, Math.floor(work.length / 60))) {
      const event = work[i];
      const launch = launches.get(event.args?.['correlation']);
      if (launch === undefined) continue;
      const around = host.filter((one) => one.pid === launch.pid && one.tid === launch.tid && one.ts <= launch.ts && one.ts + one.dur >= launch.ts + launch.dur - 0.0015);
      around.sort((a, b) => a.ts - b.ts || b.dur - a.dur || Number(a.args?.['External id'] ?? 0) - Number(b.args?.['External id'] ?? 0) || (LAUNCH.has(a.cat ?? '') ? 1 : -1));
      const wanted = around.map((one) => one.name.replace(/^ProfilerStep#\d+$/, 'ProfilerStep'));
      const at = Math.round((event.ts - first) * 1000);
      const candidates = [-1, 0, 1].flatMap((near) => byStart.get(`${at + shift + near} ${nanos(event.dur)} ${event.name}`) ?? []);
      // Whole microseconds are no exact nesting, and times as doubles are off by up to 256 ns where they are absolute.
      if (candidates.length !== 1 || events.every((one) => Number.isInteger(one.ts))) continue;
      const stack = candidates[0].split('\n');
      const own = stack.slice(stack.lastIndexOf('[backward]') + 1, -1).filter((name) => ops.has(name));
      expect(own).toEqual(wanted);
      compared++;
    }
    if (path.includes('tracelens')) expect(compared).toBeGreaterThan(20);
  });
});

describe('figures of other tools', () => {
  test.each(TRACELENS)('TraceLens: busy and idle time, kernels by operator: %s', (path) => {
    const bytes = sharedData(path);
    const folder = path.replace(/\.json\.gz$/, '.tracelens');
    const timeline = csv(`${folder}/gpu_timeline.csv`);
    if (bytes === null || timeline.length === 0) return;
    const profile = profileOf(path, bytes);
    const of = (type: string): number => Number(timeline.find((row) => row['type'] === type)?.['time ms']);
    // TraceLens leaves out the work without a launch in the file.
    let linked = 0;
    const direct = new Map<string, number>();
    eachRow(profile.lane('cuda'), (_time, _duration, weight, stack) => {
      const names = namesOf(profile, stack);
      if (names.includes('[no launch record]')) return;
      linked += weight;
      const op = names.findLast((name) => name.includes('::') && name !== names.at(-1));
      if (op !== undefined) direct.set(op, (direct.get(op) ?? 0) + weight);
    });
    expect(linked / 1e6).toBeCloseTo(of('busy_time'), 2);
    if (!path.includes('qwen')) expect((profile.lane('gpu-idle')?.total ?? 0) / 1e6).toBeCloseTo(of('idle_time'), 4);
    for (const row of csv(`${folder}/ops_summary.csv`)) {
      if (!row['name'].includes('::')) continue;
      expect((direct.get(row['name']) ?? 0) / 1000, row['name']).toBeCloseTo(Number(row['total_direct_kernel_time_sum']), 0);
    }
  });

  test.each([...TRACELENS, 'others/kineto/switch-transformers/trace.json'])('HolisticTraceAnalysis: idle and busy time: %s', (path) => {
    const [bytes, facts] = [sharedData(path), sharedData(`${path}.hta.json`)];
    if (bytes === null || facts === null) return;
    const profile = profileOf(path, bytes);
    const [breakdown] = (json(facts) as { get_temporal_breakdown: Record<string, number>[] }).get_temporal_breakdown;
    expect((profile.lane('gpu-idle')?.total ?? 0) / 1000).toBeCloseTo(breakdown['idle_time(us)'], 0);
    expect((profile.lane('cuda')?.total ?? 0) / 1000).toBeCloseTo(breakdown['compute_time(us)'] + breakdown['non_compute_time(us)'], 0);
  });

  test('TensorBoard plugin: every kernel\'s calls and time, operators\' time on the GPU and on the host', () => {
    const bytes = sharedData(OTHERS[0]);
    const kernels = text('others/kineto/tb_plugin/resnet50_num_workers_0.expected/kernel_table.json');
    const operators = text('others/kineto/tb_plugin/resnet50_num_workers_0.expected/operation_table.json');
    if (bytes === null || kernels === null || operators === null) return;
    const profile = profileOf(OTHERS[0], bytes);
    const time = new Map<string, number>();
    const calls = new Map<string, number>();
    const onGpu = new Map<string, number>();
    const add = (map: Map<string, number>, key: string, value: number) => map.set(key, (map.get(key) ?? 0) + value);
    eachRow(profile.lane('cuda'), (_time, _duration, weight, stack) => {
      const names = namesOf(profile, stack);
      const kernel = names.at(-1) ?? '';
      add(time, kernel, weight / 1000);
      add(calls, kernel, 1);
      // The plugin has no forward operators above backward ones.
      for (const name of new Set(names.slice(names.lastIndexOf('[backward]') + 1, -1))) add(onGpu, name, weight / 1000);
    });
    const rows = (JSON.parse(kernels) as { data: { rows: [string, string, number, number][] } }).data.rows;
    expect(rows.length).toBe(67);
    for (const [name, , count, total] of rows) expect([name, calls.get(name), time.get(name)]).toEqual([name, count, total]);
    const onHost = new Map<string, number>();
    eachRow(profile.lane('other', 'torch ops'), (_time, _duration, weight, stack) => {
      const names = namesOf(profile, stack);
      for (const name of new Set(names.slice(names.lastIndexOf('[backward]') + 1))) add(onHost, name, weight / 1000);
    });
    const table = (JSON.parse(operators) as { data: { name: string; device_total_duration: number; host_total_duration: number }[] }).data;
    const worst = (key: 'device_total_duration' | 'host_total_duration', ours: Map<string, number>) =>
      table.filter((row) => Math.abs((ours.get(row.name) ?? 0) - row[key]) > 20 + row[key] * 0.02).map((row) => `${row.name} ${row[key]} ${ours.get(row.name)}`);
    expect(worst('device_total_duration', onGpu)).toEqual([]);
    expect(worst('host_total_duration', onHost)).toEqual([]);
  });

  test('HolisticTraceAnalysis\'s own tests: a copy under the forward pass, 27 kernels of the optimizer, backward under its forward operators', () => {
    const bytes = sharedData(HTA[2]);
    if (bytes === null) return;
    const profile = profileOf(HTA[2], bytes);
    const copy = plain(bytes).find((event) => event.cat === 'gpu_memcpy' && event.args?.['correlation'] === 135139);
    let optimizer = 0;
    let copyUnderForward = 0;
    // In the operator that a flow names; in what the engine does around it.
    let backward = 0;
    let evaluation = 0;
    eachRow(profile.lane('cuda'), (_time, duration, _weight, stack) => {
      const names = namesOf(profile, stack);
      if (names.includes('Optimizer.step#SGD.step')) optimizer++;
      const at = names.indexOf('[backward]');
      if (at >= 0) {
        expect(names[at + 1]).toMatch(/^autograd::engine::evaluate_function: /);
        if (names[at + 1].endsWith(`: ${names[at + 2]}`)) backward++;
        else evaluation++;
      }
      if (names.at(-1) === copy?.name && duration === nanos(copy?.dur ?? 0) && names.includes('DistributedDataParallel.forward')) copyUnderForward++;
    });
    // That test looks at three of the five steps.
    expect((optimizer / 5) * 3).toBe(27);
    expect(copyUnderForward).toBeGreaterThan(0);
    expect([backward, evaluation]).toEqual([2025, 85]);
    expect(profile.lane('cuda')?.samples).toBe(6095);
    expect(profile.skipped.get('forward-backward flows of which one end is not in the trace')).toBe(undefined);
  });
});

test('a Triton operator with a stream in its arguments is no GPU work', () => {
  const bytes = sharedData('others/kineto/hta/triton_example__triton_example.json.gz');
  if (bytes === null) return;
  const { profile } = read(bytes, 'triton.json');
  expect(tree(profile, profile.lane('cuda') ?? undefined)).toMatch(/cuLaunchKernel 1760\n +triton_poi_fused_add_cos_sin_0 1760 self 1760$/);
  expect(tree(profile, profile.lane('cuda') ?? undefined)).toContain('triton_poi_fused_add_cos_sin_0 1760');
});

test('a trace without GPU work gives its operators', () => {
  const bytes = sharedData('others/kineto/hta/rank_non_gpu__rank_non_gpu.json.gz');
  if (bytes === null) return;
  const { profile } = read(bytes, 'rank_non_gpu.json');
  expect(profile.lanes.map((lane) => [lane.kind, lane.name])).toEqual([['other', 'torch ops']]);
  expect(profile.info.notes.join()).toContain('no GPU work');
});

test('two ranks of one job together: the sums of each, on one clock', () => {
  const paths = [HTA[3], HTA[4]];
  const files = paths.map((path) => sharedData(path));
  const expected = sharedData('others/kineto/hta/sampled_rank-0+1.hta.json');
  if (files[0] === null || files[1] === null || expected === null) return;
  const together = new Profile();
  const group = new KinetoTogether(together);
  const [a, b] = files.map((bytes, n) => ({ decoder: group.open(`rank-${n}.json`), bytes: bytes ?? new Uint8Array() }));
  // Their chunks in turn.
  for (let at = 0; at < Math.max(a.bytes.length, b.bytes.length); at += 1 << 16) for (const { decoder, bytes } of [a, b]) decoder.push(bytes.subarray(at, at + (1 << 16)));
  for (const { decoder } of [a, b]) decoder.end();
  group.end();
  const alone = paths.map((path, n) => profileOf(path, files[n] ?? new Uint8Array()));
  for (const lane of alone[0].lanes) {
    const sum = alone.reduce((all, profile) => all + (profile.lane(lane.kind, lane.name)?.total ?? 0), 0);
    expect(together.lane(lane.kind, lane.name)?.total, lane.name).toBe(sum);
  }
  const ranks = (json(expected) as { get_temporal_breakdown: { rank: number }[] }).get_temporal_breakdown.map(({ rank }) => rank);
  expect([...new Set(together.processes.rank.view())].sort()).toEqual(ranks);
  // Time 0 is the first event of either.
  const begins = files.map((bytes) => Math.min(...plain(bytes ?? new Uint8Array()).filter((event) => event.ph === 'X' && event.cat !== 'Trace' && event.cat !== 'gpu_user_annotation').map((event) => event.ts)));
  expect(together.info.startedAt).toBe(Math.min(...begins) / 1000);
  const ends = files.map((bytes) => Math.max(...plain(bytes ?? new Uint8Array()).filter((event) => event.ph === 'X' && event.cat !== 'Trace' && event.cat !== 'gpu_user_annotation').map((event) => event.ts + event.dur)));
  expect(together.info.durationNs).toBe((Math.max(...ends) - Math.min(...begins)) * 1000);
});
