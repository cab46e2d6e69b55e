// Loading in a decoder thread: a recording again from its deltas, a file of another program, raw streams read once more.
// The work is cut into steps of some milliseconds, so that `since` is answered while it runs.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import { ns } from '#core/model/ids';
import type { MarkFacts } from '#core/model/profile';
import { MARK_KINDS, Profile } from '#core/model/profile';
import { laneChange } from '#core/read/perf/lane-marks';
import type { StreamFacts } from '../profilers/profiler.ts';
import { openContents, recordingOf, replay } from '../library/contents.ts';
import type { RecordingFile } from '../library/recording-file.ts';
import { Breather } from './breather.ts';
import type { StreamDecoder } from './decoders.ts';
import { DecoderSet, comesInWindows } from './decoders.ts';
import { importFile } from './import.ts';
import { knownBefore } from './known-process.ts';
import type { DecoderEvent, DecoderJob } from './messages.ts';
import { streamFiles } from './raw-stream.ts';
import { importTogether } from './together.ts';
import { tellAsBefore } from './told-before.ts';
import { unpacked } from './unpack.ts';
import { WindowReader } from './windows.ts';

const SLICE_MS = 15;

export function loadProfile(job: Exclude<DecoderJob, { kind: 'live' }>, emit: (event: DecoderEvent) => void): { profile: Profile; run(): Promise<void> } {
  const profile = new Profile();
  const run = () => {
    switch (job.kind) {
      case 'recording': return loadRecording(profile, job.path, emit);
      case 'file': return importFile(profile, job.path, job.name, emit);
      case 'together': return importTogether(profile, job.files, emit);
      case 'decode': return decodeAgain(profile, job.path, emit);
    }
  };
  return { profile, run };
}

/** Replays a recording folder or a .flamebench file into a profile. Throws UserError. */
export async function loadRecording(profile: Profile, path: string, emit: (event: DecoderEvent) => void): Promise<void> {
  const contents = openContents(path);
  try {
    const recording = recordingOf(contents, path);
    const breather = new Breather();
    for (const { done, total } of replay(contents, profile, path)) {
      emit({ t: 'progress', done, total, what: 'Reading the tables' });
      await breather.pause();
    }
    finish(profile, recording);
  } finally {
    contents.close();
  }
}

/** What recording.json knows better than the last delta: the run is over, its name may have changed. */
function finish(profile: Profile, recording: RecordingFile): void {
  profile.open = [];
  profile.info.live = false;
  profile.info.title = recording.title;
  if (recording.state !== 'sealed') profile.info.notes.push('Recovered: Flamebench ended before this recording did.');
  profile.reach(ns(recording.durationNs));
  // A recording that was cut off ends with rows that waited for py-spy: they stay as perf saw them.
  for (const lane of profile.lanes) if (lane.mergedRows > 0) lane.fillMerged();
  profile.touch();
}

/** Reads the raw streams again with today's decoders; tracks and marks come from the tables, which alone have them. */
async function decodeAgain(profile: Profile, folder: string, emit: (event: DecoderEvent) => void): Promise<void> {
  const contents = openContents(folder);
  try {
    const recording = recordingOf(contents, folder);
    const streams = join(folder, 'streams');
    const found = recording.streams.filter((stream) => streamFiles(streams, stream.id).length > 0);
    if (found.length === 0) throw new UserError('no-raw', `${folder} has no raw streams: it can be opened, but not decoded again`);
    const before = new Profile();
    for (const step of replay(contents, before, folder)) void step;
    profile.info = { ...before.info };
    profile.processes.known = knownBefore(before);
    finish(profile, recording);
    // When lanes were off must be known before what came then: perf shares out exact time by it.
    const marks = marksOf(before);
    for (const mark of marks) if (laneChange(mark.kind, mark.value ?? 0, mark.start, mark.end) !== null) profile.marks.add(mark);
    const decoders = new DecoderSet({ profile, zeroAt: recording.zeroAt, live: false });
    const breather = new Breather();
    const facts = found as readonly StreamFacts[];
    const made = new Map<StreamFacts, StreamDecoder>();
    const decoderOf = (stream: StreamFacts) => {
      const decoder = made.get(stream) ?? decoders.make(stream, { onThreadExit: () => undefined, onFinishedInit: () => undefined, onLost: () => undefined }, seamOf(successorOf(stream, facts), marks, recording.zeroAt));
      made.set(stream, decoder);
      return decoder;
    };
    for (const [n, stream] of facts.entries()) {
      emit({ t: 'progress', done: n, total: found.length, what: `Decoding ${stream.title} again` });
      const decoder = decoderOf(stream);
      await decodeStream(profile, streams, stream, decoder, breather);
      // The one that takes over is there before the one before it ends: threads go on from one to the other.
      const next = successorOf(stream, facts);
      if (next !== null) decoderOf(next);
      decoder.end();
      while (decoder.idle(SLICE_MS)) await breather.pause();
    }
    decoders.finish();
    decoders.close();
    // perf's decoder reads in a live interpreter's memory which function runs. That is gone; what it said is not.
    if (tellAsBefore(profile, before) > 0) profile.info.notes.push('Decoded again: where the memory of the program told which Python function ran, it is shown as it was told then.');
    for (const track of before.tracks) {
      const copy = profile.tracks[profile.addTrack({ name: track.name, unit: track.unit, scale: track.scale })];
      copy.time.append(track.time.view());
      copy.value.append(track.value.view());
    }
    // Losses are in the streams, and what else decoders tell was just found again.
    const told = new Set(marksOf(profile).map(markKey));
    for (const mark of marks) if (mark.kind !== 'lost' && !told.has(markKey(mark))) profile.marks.add(mark);
  } finally {
    contents.close();
  }
}

function marksOf(profile: Profile): MarkFacts[] {
  const { marks, strings } = profile;
  return Array.from({ length: marks.length }, (_, row) => ({
    kind: MARK_KINDS[marks.kind.get(row)], start: ns(marks.start.get(row)), end: ns(marks.end.get(row)), text: strings.values[marks.text.get(row)], value: marks.value.get(row),
  }));
}

function markKey({ kind, start, end, text }: MarkFacts): string {
  return `${kind} ${start} ${end} ${text ?? ''}`;
}

/** The stream of perf that was to take over from one; null where none was. */
function successorOf(stream: StreamFacts, all: readonly StreamFacts[]): StreamFacts | null {
  const next = stream.decoder === 'perf' ? all.slice(all.indexOf(stream) + 1).find((one) => one.decoder === 'perf') : undefined;
  return next?.decoder === 'perf' && next.from !== undefined ? next : null;
}

/** Where it did, monotonic ns: there the rows of the one before ended. undefined where it never stood: only then there is no mark. */
function seamOf(next: StreamFacts | null, marks: readonly MarkFacts[], zeroAt: number): number | undefined {
  if (next?.decoder !== 'perf' || next.from === undefined) return undefined;
  const at = next.from - zeroAt;
  return marks.some((mark) => mark.kind === 'hand-over' && Math.abs(mark.start - at) < 1000) ? next.from : undefined;
}

async function decodeStream(profile: Profile, folder: string, facts: StreamFacts, decoder: StreamDecoder, breather: Breather): Promise<void> {
  const windows = comesInWindows(facts.decoder) ? new WindowReader((window, bytes) => decoder.window(window, bytes)) : null;
  for (const name of streamFiles(folder, facts.id)) {
    try {
      for await (const piece of unpacked(createReadStream(join(folder, name)), 'zstd')) {
        if (windows !== null) windows.push(piece);
        else decoder.push(piece);
        await breather.pause();
      }
    } catch (error) {
      // A segment that a kill -9 cut: what came before its end was decoded.
      profile.skip(`${facts.title}: the end of ${name} could not be read (${messageOf(error)})`);
    }
  }
}
