// .heapprofile files of V8 (`node --heap-prof`, Chrome's allocation sampling); see v8/heap-profile.ts. A file is what was held when it was
// written, without times: V8 drops a sample as soon as its object is collected.
import { UserError } from '#core/errors';
import { ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from './format.ts';
import { headText } from './json-head.ts';
import { V8Frames } from './v8/call-frame.ts';
import { readHeapProfile } from './v8/heap-profile.ts';
import { V8JsonFile } from './v8/json-file.ts';

export const heapProfile: StreamFormat = {
  id: 'heapprofile',
  title: 'V8 heap profile',
  extensions: ['.heapprofile'],
  input: 'chunks',
  match: matchHeapProfile,
  open: (profile, context) => new HeapProfileDecoder(profile, context),
};

function matchHeapProfile(head: Uint8Array): Match {
  const text = headText(head);
  if (!text.startsWith('{') || /"traceEvents"\s*:/.test(text)) return 'no';
  return /"head"\s*:\s*\{/.test(text) && /"selfSize"\s*:/.test(text) && /"callFrame"\s*:/.test(text) ? 'yes' : 'no';
}

class HeapProfileDecoder implements ChunkDecoder {
  #profile: Profile;
  #file: V8JsonFile;

  constructor(profile: Profile, context: ReadContext) {
    this.#profile = profile;
    this.#file = new V8JsonFile(profile, context, 'heapprofile');
  }

  push(chunk: Uint8Array): void {
    this.#file.push(chunk);
  }

  end(): void {
    const profile = this.#profile;
    const { name } = this.#file;
    const inner = this.#file.value();
    const read = readHeapProfile(inner, profile, new V8Frames(profile, ''));
    if (read === null) throw new UserError('not-heapprofile', `${name} has no tree of calls under "head": it is no sampling heap profile of V8`);
    let total = 0;
    for (const bytes of read.bytes) total += bytes;
    if (total === 0) throw new UserError('no-samples', `${name} holds no allocation that was still alive when it was written`);
    const lane = profile.lanes[profile.addLane({ kind: 'memory', unit: 'bytes', name: 'v8 heap held', source: 'V8 sampling heap profiler, .heapprofile file' })];
    const process = profile.processes.add({ pid: 0, name: 'JavaScript' });
    const thread = profile.threads.add({ process, tid: 0, name: 'JavaScript heap' });
    let seen = 0;
    let last = 0;
    for (let i = 0; i < read.stacks.length; i++) {
      if (read.bytes[i] === 0) continue;
      lane.push(0, thread, read.stacks[i], read.bytes[i], Math.max(1, read.counts[i]));
      seen += read.counts[i];
      if (read.ordinals[i] > last) last = read.ordinals[i];
    }
    profile.info.notes.push('These are estimates from samples, of objects that were alive when the file was written. The file has no times.');
    if (last > seen) profile.info.notes.push(`Of at least ${last} samples ${seen} are in the file: the objects of the others had been collected.`);
    profile.reach(ns(0));
    profile.touch();
  }
}
