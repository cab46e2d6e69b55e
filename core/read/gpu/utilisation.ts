import type { ProcessId } from '#core/model/ids';
import { ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { GpuOperations } from './link.ts';
import { sortRows } from './order.ts';

/** Points of a track; each is at least so long, ns. */
const POINTS = 500;
const LEAST = 1e6;

/**
 * Tracks `gpu N utilisation`: the part of time in which the device did anything, in percent. `end`: of the recording, in ns of the
 * operations' clock; `shift` is added to every time.
 */
export function utilisationTracks(profile: Profile, operations: GpuOperations, end: number, shift: number, process: ProcessId): void {
  const rows = new Int32Array(operations.length);
  for (let i = 0; i < rows.length; i++) rows[i] = i;
  sortRows(rows, operations.start.view());
  const from = -shift;
  const step = Math.max(LEAST, (end - from) / POINTS);
  const points = Math.max(1, Math.ceil((end - from) / step));
  const devices = new Map<number, { readonly busy: Float64Array; end: number }>();
  for (const at of rows) {
    const device = operations.device.get(at);
    let one = devices.get(device);
    if (one === undefined) devices.set(device, (one = { busy: new Float64Array(points), end: -Infinity }));
    const start = Math.max(operations.start.get(at), one.end);
    const stop = operations.start.get(at) + operations.duration.get(at);
    one.end = Math.max(one.end, stop);
    for (let point = Math.max(0, Math.floor((start - from) / step)); point < points && from + point * step < stop; point++) {
      one.busy[point] += Math.max(0, Math.min(stop, from + (point + 1) * step) - Math.max(start, from + point * step));
    }
  }
  for (const [device, { busy }] of [...devices].sort(([a], [b]) => a - b)) {
    const track = profile.tracks[profile.addTrack({ name: `gpu ${device} utilisation`, unit: '%', scale: 100, process })];
    for (let point = 0; point < points; point++) {
      // The last point may be shorter than the others.
      const length = Math.min(step, end - from - point * step);
      const value = length <= 0 ? 0 : Math.round((busy[point] / length) * 1000) / 10;
      if (point === 0 || value !== track.value.get(track.value.length - 1)) track.add(ns(point * step), Math.min(100, value));
    }
  }
}
