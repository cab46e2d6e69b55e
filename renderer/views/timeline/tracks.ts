// Which lines the timeline can draw: one a lane and one a resource, in their order. Keeps the sums of lanes between two ticks.
import { formatCount, formatMemory, formatTime } from '#core/analyze/format';
import { LaneStrip, trackLatest, trackMean, trackSteps, trackTop } from '#core/analyze/timeline';
import { isHeld } from '#core/analyze/memory';
import { isNotWaiting } from '#core/analyze/words';
import type { ProcessId } from '#core/model/ids';
import { NO_PROCESS } from '#core/model/ids';
import type { Lane, LaneKind } from '#core/model/lane';
import type { Profile, Track } from '#core/model/profile';

export type TrackColour = 'cpu' | 'off-cpu' | 'memory' | 'cuda';

export interface TimelineTrack {
  /** The same in every recording. */
  readonly id: string;
  readonly name: string;
  readonly colour: TrackColour;
  /** Of which lane it is a line; null for a resource. */
  readonly lane: LaneKind | null;
  readonly unit: string;
  /** Top of the scale. */
  readonly top: number;
  /** Values of `count` equal parts of [from, from + span) ns; NaN where nothing is known. */
  readonly steps: (from: number, span: number, count: number) => Float64Array;
  /** Mean of [from, to) ns; NaN where nothing is known. */
  readonly mean: (from: number, to: number) => number;
  readonly latest: () => number;
}

/** A sample says something of the 10 ms before it: narrower steps would draw the sampling, not the program. ns. */
const NARROWEST = 50e6;
/** A profiler that hands over windows trails behind: a line ends where it is known, unless nothing came for so long, ns. */
const TRAILS = 2e9;

/** Where a line stands among the others. */
const ORDER = ['cpu', 'blocked', 'rss', 'gpu', 'cuda', 'held', 'allocated', 'gpu-memory', 'faults', 'gpu-idle', 'other'] as const;
type Place = (typeof ORDER)[number];

interface Placed {
  readonly place: Place;
  readonly track: TimelineTrack;
}

export class TimelineTracks {
  #strips = new WeakMap<Lane, LaneStrip>();

  /** All lines that have something to show. `end`: up to when the recording is known, ns. */
  of(profile: Profile, end: number): TimelineTrack[] {
    const placed: Placed[] = [];
    const lane = (place: Place, one: Lane | undefined, name: string, colour: TrackColour, unit: string): void => {
      if (one === undefined) return;
      const track = this.#ofLane(profile, one, place, name, colour, unit, end);
      // Of memory that was never held there is no line: only frees of what came before.
      if (track.top > 0 || !isHeld(one)) placed.push({ place, track });
    };
    const of = (kind: Lane['kind'], fits: (lane: Lane) => boolean = () => true): Lane[] => profile.lanes.filter((one) => one.kind === kind && one.rows > 0 && fits(one));
    const cpu = most(of('cpu'));
    lane('cpu', cpu, 'CPU', 'cpu', cpu?.unit === 'ns' ? 'cores' : '/s');
    const blocked = of('off-cpu', (one) => !isNotWaiting(one) && one.intervals).at(0);
    lane('blocked', blocked, 'Blocked', 'off-cpu', 'threads');
    // What is held says more than the rate of allocations: that only where it is all there is.
    const held = of('memory', (one) => one.name.endsWith(' held'));
    const more = held.length > 1;
    for (const one of held) lane('held', one, more ? `Held, ${one.name.slice(0, -5)}` : 'Held', 'memory', 'bytes');
    const rates = of('memory', (one) => one.unit === 'bytes' && !one.name.endsWith(' held') && !held.some((other) => other.name === `${one.name} held`));
    for (const one of rates) lane('allocated', one, rates.length > 1 ? `Allocated, ${one.name}` : one.name === 'perf mmap' ? 'Mapped' : 'Allocated', 'memory', 'bytes/s');
    const faults = of('faults').at(0);
    lane('faults', faults, 'Page faults', 'memory', '/s');
    lane('cuda', most(of('cuda')), 'GPU streams', 'cuda', '');
    lane('gpu-idle', of('gpu-idle').at(0), 'GPUs idle', 'cuda', '');
    for (const one of of('gpu-memory', (other) => other.name.endsWith(' held'))) lane('gpu-memory', one, 'GPU held', 'cuda', 'bytes');

    for (const track of profile.tracks) {
      if (track.time.length === 0) continue;
      const { place, name, colour } = described(profile, track);
      // The lane says it itself, and by thread.
      if ((place === 'cpu' && cpu !== undefined) || (place === 'blocked' && blocked !== undefined)) continue;
      placed.push({ place, track: ofTrack(track, name, colour, end) });
    }
    return placed.map((one, i) => ({ one, i })).sort((a, b) => ORDER.indexOf(a.one.place) - ORDER.indexOf(b.one.place) || a.i - b.i).map(({ one }) => one.track);
  }

  #ofLane(profile: Profile, lane: Lane, place: Place, name: string, colour: TrackColour, unit: string, end: number): TimelineTrack {
    let strip = this.#strips.get(lane);
    if (strip === undefined) this.#strips.set(lane, (strip = new LaneStrip(lane)));
    else strip.update();
    if (lane.intervals) {
      // Who waits still: no row yet, but the line shows it.
      const { open, lanes, info } = profile;
      strip.setOpen(open.filter((one) => lanes[one.lane] === lane).map((one) => one.since), info.durationNs);
    }
    const at = strip;
    const known = at.held ? end : Math.min(end, Math.max(at.end, end - TRAILS));
    return {
      id: place === 'held' || place === 'allocated' ? `${place} ${lane.name}` : place, name, colour, lane: lane.kind, unit, top: at.held ? at.largest * 1.15 : scaleTop(at.largestOver(at.fine ? Math.min(NARROWEST, end / 400) : NARROWEST)),
      steps: (from, span, count) => stepped(at, from, span, count, known),
      mean: (from, to) => (from >= known ? NaN : at.mean(from, Math.min(to, known))),
      latest: () => (at.held ? at.mean(known, known + 1) : at.mean(Math.max(0, known - 1e9), known)),
    };
  }
}

/** Of lanes of one kind the one that saw more: py-spy sees only what Python runs. */
function most(lanes: readonly Lane[]): Lane | undefined {
  return lanes.reduce<Lane | undefined>((best, one) => (best === undefined || (one.unit === best.unit && one.total > best.total) ? one : best), undefined);
}

function described(profile: Profile, track: Track): { place: Place; name: string; colour: TrackColour } {
  const whose = track.process === NO_PROCESS ? '' : ` ${profile.processes.nameOf(track.process) || ''} ${profile.processes.pid.get(track.process satisfies ProcessId)}`.replace(/\s+/g, ' ');
  const gpu = /^gpu[ -]?(\d*)[ -]?(utilisation|memory)$/.exec(track.name);
  if (gpu !== null) {
    const number = gpu[1] === '' ? '' : ` ${gpu[1]}`;
    return gpu[2] === 'memory' ? { place: 'gpu-memory', name: `GPU${number} memory`, colour: 'cuda' } : { place: 'gpu', name: `GPU${number}`, colour: 'cuda' };
  }
  switch (track.name) {
    case 'cpu': return { place: whose === '' ? 'cpu' : 'other', name: `CPU${whose}`, colour: 'cpu' };
    case 'blocked': return { place: whose === '' ? 'blocked' : 'other', name: `Blocked${whose}`, colour: 'off-cpu' };
    case 'rss': return { place: whose === '' ? 'rss' : 'other', name: `Resident${whose}`, colour: 'memory' };
    case 'threads': return { place: 'other', name: `Threads${whose}`, colour: 'cpu' };
    case 'runnable': return { place: 'other', name: `Waiting for a CPU${whose}`, colour: 'off-cpu' };
    default: return { place: 'other', name: `${track.name.charAt(0).toUpperCase()}${track.name.slice(1)}${whose}`, colour: track.unit === 'bytes' ? 'memory' : track.name.startsWith('gpu') ? 'cuda' : 'cpu' };
  }
}

function ofTrack(track: Track, name: string, colour: TrackColour, end: number): TimelineTrack {
  return {
    id: track.process === NO_PROCESS ? track.name : `${track.name} ${track.process}`, name, colour, lane: null, unit: track.unit,
    top: track.scale > 0 ? track.scale : trackTop(track) * 1.15,
    steps: (from, span, count) => trackSteps(track, from, from + span, count, end),
    mean: (from, to) => (from >= end ? NaN : trackMean(track, from, Math.min(to, end))),
    latest: () => trackLatest(track),
  };
}

// Parts lie at whole multiples of their width, so that they keep their place while the picture moves.
function stepped(strip: LaneStrip, from: number, span: number, count: number, until: number): Float64Array {
  const values = new Float64Array(count).fill(NaN);
  const pixel = span / count;
  const width = strip.held ? pixel : strip.fine ? pixel * 3 : Math.max(NARROWEST, pixel * 3);
  let at = -1;
  let value = NaN;
  for (let x = 0; x < count; x++) {
    const time = from + x * pixel;
    if (time >= until || time + pixel <= 0) continue;
    const part = Math.floor(time / width);
    if (part !== at) {
      at = part;
      const start = Math.max(0, part * width);
      const end = Math.min((part + 1) * width, until);
      value = end > start ? strip.mean(start, end) : value;
    }
    values[x] = value;
  }
  return values;
}

/** A top that does not move with every sample: 1, 1.5, 2, 3 and so on. The largest part alone may stick out a little. */
export function scaleTop(largest: number): number {
  for (let power = 1e-3; power < 1e15; power *= 10) for (const factor of [1, 1.5, 2, 3, 4, 6, 8]) if (power * factor >= largest * 0.95) return power * factor;
  return largest;
}

/** A value with its unit, as the gutter says it. */
export function valueText(value: number, unit: string): string {
  if (!Number.isFinite(value)) return '–';
  switch (unit) {
    case 'bytes': return formatMemory(value);
    case 'bytes/s': return `${formatMemory(value)}/s`;
    case 'ns': return formatTime(value);
    case '%': return `${Math.round(value)} %`;
    case '': return value >= 99.5 ? formatCount(value) : value.toFixed(1);
    default: return `${value >= 99.5 ? formatCount(value) : value.toFixed(1)} ${unit}`;
  }
}

/** The lines that are shown: the chosen ones that there are, else the first; never more than have room. */
export function tracksShown(all: readonly TimelineTrack[], chosen: readonly string[] | null, most: number): TimelineTrack[] {
  const named = chosen === null ? [] : all.filter((track) => chosen.includes(track.id));
  return (named.length > 0 ? named : all).slice(0, most);
}

const KEY = 'flamebench.timeline';

/** Which lines were chosen in this browser; null = the usual ones. */
export function readChosen(storage: Pick<Storage, 'getItem'>): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(storage.getItem(KEY) ?? 'null');
    return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string') ? value : null;
  } catch {
    // Damaged or not ours: the usual ones are always good.
    return null;
  }
}

export function writeChosen(storage: Pick<Storage, 'setItem' | 'removeItem'>, chosen: readonly string[] | null): void {
  if (chosen === null) storage.removeItem(KEY);
  else storage.setItem(KEY, JSON.stringify(chosen));
}
