// speedscope's own file format: https://github.com/jlfwong/speedscope, src/lib/file-format-spec.ts. Several profiles in a
// file are threads; profiles of one unit share a lane. Sampled ones give a row a sample, evented ones an interval for every
// stretch with the same stack. What is out of order or never closed is repaired and counted.
import { UserError } from '#core/errors';
import type { FrameId, StackId, ThreadId } from '#core/model/ids';
import { NO_PROCESS, NO_STACK, ns } from '#core/model/ids';
import type { Lane, Unit } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from './format.ts';
import { headText } from './json-head.ts';
import type { Json, JsonObject } from './json.ts';
import { asArray, asNumber, asText, isObject, JsonCollector, parseJson } from './json.ts';
import { sourceFunction } from './source-function.ts';

export const speedscope: StreamFormat = {
  id: 'speedscope',
  title: 'speedscope JSON',
  extensions: ['.speedscope.json', '.json'],
  input: 'chunks',
  match: matchSpeedscope,
  open: (profile, context) => new SpeedscopeDecoder(profile, context),
};

function matchSpeedscope(head: Uint8Array): Match {
  const text = headText(head);
  if (!text.startsWith('{')) return 'no';
  if (/"\$schema"\s*:\s*"https?:\/\/www\.speedscope\.app\//.test(text)) return 'yes';
  if (/"profiles"\s*:/.test(text) && /"type"\s*:\s*"(sampled|evented)"/.test(text)) return 'yes';
  return /"shared"\s*:\s*\{\s*"frames"/.test(text) ? 'maybe' : 'no';
}

interface Scale {
  readonly unit: Unit;
  readonly factor: number;
}

function scaleOf(unit: string): Scale {
  switch (unit) {
    case 'nanoseconds': return { unit: 'ns', factor: 1 };
    case 'microseconds': return { unit: 'ns', factor: 1e3 };
    case 'milliseconds': return { unit: 'ns', factor: 1e6 };
    case 'seconds': return { unit: 'ns', factor: 1e9 };
    case 'bytes': return { unit: 'bytes', factor: 1 };
    default: return { unit: 'count', factor: 1 };
  }
}

class SpeedscopeDecoder implements ChunkDecoder {
  #profile: Profile;
  #name: string;
  #json = new JsonCollector();
  #frames: FrameId[] = [];
  #lanes = new Map<string, Lane>();
  #tool = 'speedscope';

  constructor(profile: Profile, context: ReadContext) {
    this.#profile = profile;
    this.#name = context.name;
    profile.info.format = 'speedscope';
    profile.info.title ||= context.name;
    profile.touch();
  }

  push(chunk: Uint8Array): void {
    this.#json.push(chunk);
  }

  end(): void {
    const file = parseJson(this.#json.text(), this.#name);
    const shared = isObject(file) ? file['shared'] : undefined;
    if (!isObject(file) || !isObject(shared)) throw new UserError('not-speedscope', `${this.#name} has no "shared" frames: it is no speedscope file`);
    const exporter = asText(file['exporter']);
    if (exporter !== '') this.#tool = exporter.replace('@', ' ');
    this.#profile.info.tool = this.#tool;
    const name = asText(file['name']);
    if (name !== '') this.#profile.info.title = name;
    this.#profile.touch();
    for (const frame of asArray(shared['frames'])) this.#frames.push(this.#frame(frame));
    let samples = 0;
    for (const profile of asArray(file['profiles'])) {
      if (!isObject(profile)) { this.#profile.skip('profiles that are no objects'); continue; }
      const type = asText(profile['type']);
      if (type === 'sampled') samples += this.#sampled(profile);
      else if (type === 'evented') samples += this.#evented(profile);
      else this.#profile.skip(`profiles of the unknown type "${type.slice(0, 40)}"`);
    }
    if (samples === 0) throw new UserError('no-samples', `${this.#name} holds no sample`);
  }

  #frame(json: Json): FrameId {
    const frame = isObject(json) ? json : {};
    const line = asNumber(frame['line'], 0);
    const fn = this.#profile.functions.intern(sourceFunction(asText(frame['name']) || '[unnamed]', asText(frame['file'])));
    return this.#profile.frames.source(fn, line > 0 && line < 0x7fffffff ? Math.floor(line) : 0);
  }

  #lane(scale: Scale, intervals: boolean): Lane {
    const key = `${scale.unit} ${intervals}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      const tool = this.#tool.split(' ')[0];
      lane = this.#profile.lanes[this.#profile.addLane({
        kind: scale.unit === 'bytes' ? 'memory' : 'cpu', unit: scale.unit, intervals,
        name: this.#lanes.size === 0 ? tool : `${tool} ${intervals ? 'events' : 'samples'} ${scale.unit}`, source: `${this.#tool}, speedscope file`,
      })];
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** `Process 12 Thread 34 "name"` (py-spy), `name (12/34)` (ours), anything else as it is. */
  #thread(name: string): ThreadId {
    const { processes, threads } = this.#profile;
    const pySpy = /^(?:Process (\d+) ?(?:Thread )?)?(?:Thread )?(0x[0-9a-f]+|\d+)?(?: "(.*)")?$/i.exec(name);
    const own = /^(.*) \((\d+)\/(\d+)\)$/.exec(name);
    let pid = 0, tid = threads.length + 1, title = name;
    if (own !== null) [title, pid, tid] = [own[1], Number(own[2]), Number(own[3])];
    else if (pySpy !== null && (pySpy[1] !== undefined || pySpy[2] !== undefined)) {
      pid = Number(pySpy[1] ?? 0);
      if (pySpy[2] !== undefined) tid = Number(pySpy[2]);
      title = pySpy[3] ?? name;
    }
    if (pid > 0x7fffffff) pid = 0;
    if (tid > 0x7fffffff) tid = threads.length + 1;
    let process = NO_PROCESS;
    for (let row = 0; row < processes.length; row++) if (processes.pid.get(row) === pid) process = row as typeof process;
    if (process === NO_PROCESS) process = processes.add({ pid, name: own === null && pid === 0 ? this.#profile.info.title : title });
    return threads.add({ process, tid, name: title });
  }

  #known(frame: number): FrameId | null {
    const id = Number.isInteger(frame) ? this.#frames[frame] : undefined;
    return id ?? null;
  }

  #sampled(json: JsonObject): number {
    const scale = scaleOf(asText(json['unit']));
    const lane = this.#lane(scale, false);
    const thread = this.#thread(asText(json['name']));
    const weights = asArray(json['weights']);
    const samples = asArray(json['samples']);
    const start = asNumber(json['startValue'], 0);
    let at = 0, rows = 0;
    for (let i = 0; i < samples.length; i++) {
      let stack: StackId = NO_STACK;
      for (const index of asArray(samples[i])) {
        const frame = this.#known(asNumber(index, -1));
        if (frame === null) this.#profile.skip('frames that the file does not list');
        else stack = this.#profile.stacks.intern(stack, frame);
      }
      // A file without weights counts every sample one.
      const weight = weights.length === 0 ? 1 : asNumber(weights[i], -1);
      if (weight < 0) { this.#profile.skip('samples without a weight'); continue; }
      if (stack === NO_STACK) this.#profile.skip('samples without a stack (left out)');
      else {
        lane.push(scale.unit === 'ns' ? Math.max(0, (start + at) * scale.factor) : 0, thread, stack, weight * scale.factor);
        rows++;
      }
      at += weight;
    }
    if (scale.unit === 'ns') this.#profile.reach(ns((start + at) * scale.factor));
    return rows;
  }

  #evented(json: JsonObject): number {
    const scale = scaleOf(asText(json['unit']));
    const lane = this.#lane(scale, scale.unit === 'ns');
    const thread = this.#thread(asText(json['name']));
    const open: { frame: number; stack: StackId }[] = [];
    let now = asNumber(json['startValue'], 0);
    let rows = 0;
    const moveTo = (at: number) => {
      const top = open[open.length - 1];
      if (top !== undefined && at > now) {
        const weight = (at - now) * scale.factor;
        const timed = scale.unit === 'ns';
        lane.push(timed ? Math.max(0, now * scale.factor) : 0, thread, top.stack, weight, 1, timed ? weight : 0);
        rows++;
      }
      now = at;
    };
    for (const event of asArray(json['events'])) {
      if (!isObject(event)) { this.#profile.skip('events that are no objects'); continue; }
      const type = asText(event['type']);
      const index = asNumber(event['frame'], -1);
      const frame = this.#known(index);
      if (frame === null || (type !== 'O' && type !== 'C')) { this.#profile.skip('events that could not be read'); continue; }
      const at = asNumber(event['at'], NaN);
      if (Number.isNaN(at)) { this.#profile.skip('events without a time'); continue; }
      if (at < now && rows + open.length > 0) this.#profile.skip('events that go back in time (moved to the one before)');
      moveTo(Math.max(at, open.length === 0 ? at : now));
      if (type === 'O') {
        const caller = open[open.length - 1]?.stack ?? NO_STACK;
        open.push({ frame: index, stack: this.#profile.stacks.intern(caller, frame) });
      } else {
        let depth = open.length - 1;
        while (depth >= 0 && open[depth].frame !== index) depth--;
        if (depth < 0) { this.#profile.skip('ends of calls that had not begun'); continue; }
        if (depth < open.length - 1) this.#profile.skip('calls that ended before their callees (those were ended too)', open.length - 1 - depth);
        open.length = depth;
      }
    }
    const end = asNumber(json['endValue'], now);
    if (open.length > 0) {
      this.#profile.skip('calls without an end (ended with the profile)', open.length);
      moveTo(Math.max(end, now));
    }
    if (scale.unit === 'ns') this.#profile.reach(ns(Math.max(end, now) * scale.factor));
    return rows;
  }
}
