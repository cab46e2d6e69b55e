// tables/*.arrow: the tables as Arrow IPC files, so that pandas, polars and DuckDB read a recording without us. Written at the
// stop. Rows keep their numbers: `stack` of a sample is a row of stacks.arrow, its `frame` a row of frames.arrow, and so on;
// -1 stands for none. Times are float64 nanoseconds since the recording began.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { columnFromArray, columnFromValues, dictionary, float64, int32, tableFromColumns, tableToIPC, utf8 } from '@uwdata/flechette';
import type { Column, DataType } from '@uwdata/flechette';
import type { Lane } from '#core/model/lane';
import { MARK_KINDS } from '#core/model/profile';
import type { Profile } from '#core/model/profile';
import { FRAME_RULES, FUNCTION_KINDS } from '#core/model/tables';

type Columns = [string, Column<unknown>][];

/** Names of the tables in a recording, without the samples. */
export const TABLE_NAMES = ['strings', 'functions', 'frames', 'stacks', 'processes', 'threads', 'tracks', 'marks'] as const;

/** Writes all tables into `folder`/tables. Each file appears whole (by rename). */
export function writeTables(profile: Profile, folder: string): void {
  const out = join(folder, 'tables');
  mkdirSync(out, { recursive: true, mode: 0o700 });
  for (const [name, columns] of tablesOf(profile)) {
    const bytes = tableToIPC(tableFromColumns(columns), { format: 'file' });
    if (bytes === null) continue;
    const path = join(out, `${name}.arrow`);
    writeFileSync(`${path}.new`, bytes, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/** File name of a lane's samples: `samples-cpu-perf`. */
export function samplesName(lane: Lane, index: number, lanes: readonly Lane[]): string {
  const name = `samples-${lane.kind}${lane.name === '' ? '' : `-${lane.name.replace(/[^\w.-]+/g, '_').slice(0, 60)}`}`;
  const twice = lanes.some((other, i) => i !== index && other.kind === lane.kind && other.name === lane.name);
  return twice ? `${name}-${index}` : name;
}

function* tablesOf(profile: Profile): Generator<[string, Columns]> {
  const { functions: f, frames: fr, stacks: s, processes: p, threads: t, marks: m } = profile;
  const text = (column: { view(): Int32Array }) => texts(column.view(), profile.strings.values);
  yield ['strings', [['value', column(profile.strings.values, utf8())]]];
  yield ['functions', [
    ['name', text(f.name)], ['file', text(f.file)], ['library', text(f.library)], ['kind', named(f.kind.view(), FUNCTION_KINDS)],
    ['flags', ints(f.flags.view())],
  ]];
  yield ['frames', [
    ['function', ints(fr.function.view())], ['line', ints(fr.line.view())], ['address', floats(fr.address.view())],
    ['library', text(fr.library)], ['rule', named(fr.rule.view(), FRAME_RULES)],
  ]];
  yield ['stacks', [['prefix', ints(s.prefix.view())], ['frame', ints(s.frame.view())]]];
  yield ['processes', [
    ['pid', ints(p.pid.view())], ['start', floats(p.start.view())], ['parent', ints(p.parent.view())], ['name', text(p.name)],
    ['command', text(p.command)], ['rank', ints(p.rank.view())],
  ]];
  yield ['threads', [
    ['process', ints(t.process.view())], ['tid', ints(t.tid.view())], ['generation', ints(t.generation.view())], ['name', text(t.name)],
    ['on_cpu_ns', floats(t.onCpu.view())], ['waiting_ns', floats(t.waiting.view())], ['blocked_ns', floats(t.blocked.view())],
  ]];
  yield ['tracks', trackColumns(profile)];
  yield ['marks', [
    ['kind', named(m.kind.view(), MARK_KINDS)], ['start', floats(m.start.view())], ['end', floats(m.end.view())], ['text', text(m.text)],
    ['value', floats(m.value.view())], ['thread', ints(m.thread.view())],
  ]];
  for (const [i, lane] of profile.lanes.entries()) yield [samplesName(lane, i, profile.lanes), laneColumns(lane)];
}

function trackColumns(profile: Profile): Columns {
  const rows = profile.tracks.reduce((sum, track) => sum + track.time.length, 0);
  const which = new Int32Array(rows), time = new Float64Array(rows), value = new Float64Array(rows);
  let at = 0;
  for (const [i, track] of profile.tracks.entries()) {
    which.fill(i, at, at + track.time.length);
    time.set(track.time.view(), at);
    value.set(track.value.view(), at);
    at += track.time.length;
  }
  const of = (pick: (track: Profile['tracks'][number]) => string) => named(which, profile.tracks.map(pick));
  return [['track', ints(which)], ['name', of((track) => track.name)], ['unit', of((track) => track.unit)], ['time', floats(time)], ['value', floats(value)]];
}

function laneColumns(lane: Lane): Columns {
  const time = new Float64Array(lane.rows), thread = new Int32Array(lane.rows), stack = new Int32Array(lane.rows);
  const weight = new Float64Array(lane.rows), count = new Float64Array(lane.rows), duration = new Float64Array(lane.rows);
  let at = 0;
  for (const chunk of lane.chunks) {
    thread.set(chunk.thread.subarray(0, chunk.rows), at);
    stack.set(chunk.stack.subarray(0, chunk.rows), at);
    for (let row = 0; row < chunk.rows; row++, at++) {
      time[at] = chunk.timeAt(row);
      weight[at] = chunk.weight.get(row);
      count[at] = chunk.count.get(row);
      duration[at] = chunk.duration.get(row);
    }
  }
  const columns: Columns = [['time', floats(time)], ['thread', ints(thread)], ['stack', ints(stack)], ['weight', floats(weight)], ['count', floats(count)], ['duration', floats(duration)]];
  if (lane.mergedRows > 0) columns.push(['merged_stack', ints(mergedOf(lane))]);
  return columns;
}

/** Derived stacks; a row without one has its own. */
function mergedOf(lane: Lane): Int32Array {
  const merged = new Int32Array(lane.rows);
  let at = 0;
  for (const chunk of lane.chunks) {
    merged.set(chunk.stack.subarray(0, chunk.rows), at);
    if (chunk.merged !== null) merged.set(chunk.merged.subarray(0, chunk.mergedRows), at);
    at += chunk.rows;
  }
  return merged;
}

function ints(values: Int32Array): Column<unknown> {
  return values.length === 0 ? column([], int32()) : columnFromArray(values);
}

function floats(values: Float64Array): Column<unknown> {
  return values.length === 0 ? column([], float64()) : columnFromArray(values);
}

function texts(rows: Int32Array, strings: readonly string[]): Column<unknown> {
  return column(Array.from(rows, (row) => strings[row] ?? ''), dictionary(utf8()));
}

function named(rows: Int32Array, names: readonly string[]): Column<unknown> {
  return column(Array.from(rows, (row) => names[row] ?? String(row)), dictionary(utf8()));
}

function column(values: readonly unknown[], type: DataType): Column<unknown> {
  return columnFromValues((visit) => { for (const value of values) visit(value); }, type);
}
