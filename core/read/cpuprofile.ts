// .cpuprofile files of V8 (Node, Chrome, Deno, Bun); see v8/cpu-profile.ts. One file is one thread.
import { UserError } from '#core/errors';
import { ns } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from './format.ts';
import { headText } from './json-head.ts';
import { asArray, isObject } from './json.ts';
import { V8Frames } from './v8/call-frame.ts';
import { readCpuProfile } from './v8/cpu-profile.ts';
import { V8JsonFile } from './v8/json-file.ts';
import { idleWords } from './v8/words.ts';

export const cpuProfile: StreamFormat = {
  id: 'cpuprofile',
  title: 'V8 CPU profile',
  extensions: ['.cpuprofile'],
  input: 'chunks',
  match: matchCpuProfile,
  open: (profile, context) => new CpuProfileDecoder(profile, context),
};

function matchCpuProfile(head: Uint8Array): Match {
  const text = headText(head);
  if (!text.startsWith('{') || /"traceEvents"\s*:/.test(text) || /"selfSize"\s*:/.test(text)) return 'no';
  if (!/"functionName"\s*:/.test(text)) return /"timeDeltas"\s*:\s*\[/.test(text) && /"endTime"\s*:/.test(text) ? 'maybe' : 'no';
  if (/"nodes"\s*:\s*\[/.test(text) && /"callFrame"\s*:/.test(text)) return 'yes';
  return /"head"\s*:\s*\{/.test(text) && /"hitCount"\s*:/.test(text) ? 'yes' : 'no';
}

class CpuProfileDecoder implements ChunkDecoder {
  #profile: Profile;
  #file: V8JsonFile;

  constructor(profile: Profile, context: ReadContext) {
    this.#profile = profile;
    this.#file = new V8JsonFile(profile, context, 'cpuprofile');
  }

  push(chunk: Uint8Array): void {
    this.#file.push(chunk);
  }

  end(): void {
    const profile = this.#profile;
    const { name } = this.#file;
    const inner = this.#file.value();
    const read = readCpuProfile(inner, profile, new V8Frames(profile, ''));
    if (read === null) {
      const nodes = isObject(inner) ? asArray(inner['nodes']).length : 0;
      throw new UserError('no-samples', nodes === 0 ? `${name} has no "nodes": it is no CPU profile of V8` : `${name} has ${nodes} calls and no sample of any of them`);
    }
    const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'v8', source: 'V8 CPU profiler, .cpuprofile file' })];
    // The operating system's numbers are not in the file; `CPU.20260101.120000.PID.TID.SEQ.cpuprofile` has them in its name.
    const ids = /\.(\d{1,9})\.(\d{1,9})\.\d+\.cpuprofile$/.exec(name);
    const pid = ids === null ? 0 : Number(ids[1]);
    const thread = profile.threads.add({ process: profile.processes.add({ pid, name: 'JavaScript' }), tid: pid, name: ids === null || ids[2] === '0' ? 'main thread' : `worker ${ids[2]}` });
    let idle = 0;
    for (let i = 0; i < read.stacks.length; i++) {
      const lasts = read.lasts[i] * 1000;
      if (read.idle[i] === 1) idle += lasts;
      else lane.push((read.times[i] - read.start) * 1000, thread, read.stacks[i], lasts);
    }
    const span = (read.end - read.start) * 1000;
    profile.reach(ns(span));
    if (idle > 0) profile.info.notes.push(idleWords('V8', idle, span));
    profile.touch();
  }
}
