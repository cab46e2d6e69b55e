// Loading in a decoder thread: a recording again from its deltas, a file of another program, raw streams read once more.
// The work is cut into steps of some milliseconds, so that `since` is answered while it runs.
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import { ns } from '#core/model/ids';
import { MARK_KINDS, Profile } from '#core/model/profile';
import type { StreamFacts } from '../profilers/profiler.ts';
import { openContents, recordingOf, replay } from '../library/contents.ts';
import type { RecordingFile } from '../library/recording-file.ts';
import { Breather } from './breather.ts';
import { DecoderSet, comesInWindows } from './decoders.ts';
import { importFile } from './import.ts';
import { knownBefore } from './known-process.ts';
import type { DecoderEvent, DecoderJob } from './messages.ts';
import { streamFiles } from './raw-stream.ts';
import { unpacked } from './unpack.ts';
import { WindowReader } from './windows.ts';

const SLICE_MS = 15;

export function loadProfile(job: Exclude<DecoderJob, { kind: 'live' }>, emit: (event: DecoderEvent) => void): { profile: Profile; run(): Promise<void> } {
  const profile = new Profile();
  const run = () => {
    switch (job.kind) {
      case 'recording': return loadRecording(profile, job.path, emit);
      case 'file': return importFile(profile, job.path, job.name, emit);
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
    const decoders = new DecoderSet({ profile, zeroAt: recording.zeroAt, live: false });
    const breather = new Breather();
    for (const [n, facts] of found.entries()) {
      emit({ t: 'progress', done: n, total: found.length, what: `Decoding ${facts.title} again` });
      await decodeStream(profile, streams, facts as StreamFacts, decoders, breather);
    }
    decoders.finish();
    decoders.close();
    // perf's decoder reads in a live interpreter's memory which function runs; what py-spy saw is all that is left of it.
    if (before.lanes.some((lane) => lane.pythonMerged > 0)) profile.info.notes.push('Decoded again: which Python function ran is told by py-spy alone, because the memory of the program is gone.');
    for (const track of before.tracks) {
      const copy = profile.tracks[profile.addTrack({ name: track.name, unit: track.unit, scale: track.scale })];
      copy.time.append(track.time.view());
      copy.value.append(track.value.view());
    }
    const lost = MARK_KINDS.indexOf('lost');
    for (let row = 0; row < before.marks.length; row++) {
      // Losses are in the streams, and were just found again.
      if (before.marks.kind.get(row) === lost) continue;
      profile.marks.add({
        kind: MARK_KINDS[before.marks.kind.get(row)], start: ns(before.marks.start.get(row)), end: ns(before.marks.end.get(row)),
        text: before.strings.values[before.marks.text.get(row)], value: before.marks.value.get(row),
      });
    }
  } finally {
    contents.close();
  }
}

async function decodeStream(profile: Profile, folder: string, facts: StreamFacts, decoders: DecoderSet, breather: Breather): Promise<void> {
  const decoder = decoders.make(facts, { onThreadExit: () => undefined, onFinishedInit: () => undefined, onLost: () => undefined });
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
  decoder.end();
  while (decoder.idle(SLICE_MS)) await breather.pause();
}
