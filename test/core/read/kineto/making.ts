// Small traces as text: events in, JSON out. Times in microseconds.
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { tree } from '../reading.ts';

export type Event = Record<string, unknown>;

export const HOST = 10;
export const BASE = 1_751_410_836_000_000_000n;

export function slice(cat: string, name: string, ts: number, dur: number, args: Event = {}, tid: number = HOST): Event {
  return { ph: 'X', cat, name, pid: 10, tid, ts, dur, args };
}

export function gpu(cat: string, name: string, ts: number, dur: number, args: Event, stream = 7, device = 0): Event {
  return { ph: 'X', cat, name, pid: device, tid: stream, ts, dur, args: { device, stream, context: 1, ...args } };
}

/** A whole file; `baseTimeNanoseconds` has more digits than a number holds, so it is text here. */
export function trace(events: readonly Event[], header: Event = {}, base = BASE): string {
  const rest = Object.entries(header).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)},`).join(' ');
  return `{"schemaVersion": 1, "deviceProperties": [{"id": 0, "name": "Toy GPU"}], "baseTimeNanoseconds": ${base}, ${rest} "traceEvents": [\n${events.map((event) => JSON.stringify(event)).join(',\n')}\n], "traceName": "x.json"}`;
}

/** A lane's tree, in microseconds. */
export function micros(profile: Profile, lane: Lane | null, threads = false): string {
  if (lane === null) return 'no lane';
  return tree(profile, lane, threads).replace(/ (-?[\d.]+)(?: self (-?[\d.]+))?$/gm, (_, total: string, self?: string) => ` ${Number(total) / 1000}${self === undefined ? '' : ` self ${Number(self) / 1000}`}`);
}

/** Everything a reader of a profile sees, as text that does not depend on row numbers. */
export function everything(profile: Profile): string {
  const lanes = [...profile.lanes].sort((a, b) => (`${a.kind} ${a.name}` < `${b.kind} ${b.name}` ? -1 : 1));
  const marks: string[] = [];
  for (let row = 0; row < profile.marks.length; row++) {
    marks.push([profile.marks.kind.get(row), profile.marks.start.get(row), profile.marks.end.get(row), profile.strings.values[profile.marks.text.get(row)], profile.marks.value.get(row)].join(' '));
  }
  return [
    ...lanes.map((lane) => `${lane.kind} ${lane.name} ${lane.unit} ${lane.total} ${lane.samples} ${lane.rows}\n${tree(profile, lane, true)}`),
    ...profile.tracks.map((track) => `${track.name} ${[...track.time.view()].join(' ')} ${[...track.value.view()].join(' ')}`),
    ...marks.sort(), String(profile.info.durationNs), String(profile.info.startedAt), JSON.stringify([...profile.skipped].sort()),
  ].join('\n');
}
