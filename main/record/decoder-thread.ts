// The decoder thread: it owns one profile. It answers `since`, writes deltas.bin, and runs the decoders of a live recording,
// a reopened one or an imported file. Everything here is synchronous inside; the loop is given back every few milliseconds.
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { ensure } from '#core/errors';
import { takeDelta } from '#core/model/delta';
import { wireError } from '#core/protocol/rpc';
import { writeTables } from './arrow.ts';
import { exportProfile } from './export.ts';
import { LiveProfile } from './live-profile.ts';
import { loadProfile } from './load.ts';
import type { CallName, DecoderCalls, DecoderEvent, DecoderJob, DecoderTell, FromDecoder, ToDecoder } from './messages.ts';
import { gapsOf, mixOf, summaryOf } from './summary.ts';
import { writeTree } from '../library/tree.ts';

const { job } = workerData as { job: DecoderJob };
ensure(parentPort !== null, 'the decoder runs in a thread');
const main: MessagePort = parentPort;
const say = (message: FromDecoder, transfer: ArrayBuffer[] = []) => main.postMessage(message, transfer);
const emit = (event: DecoderEvent) => say(event);

const live = job.kind === 'live' ? new LiveProfile(job, emit) : null;
const loading = job.kind === 'live' ? null : loadProfile(job, emit);
const profile = live?.profile ?? loading?.profile;
ensure(profile !== undefined, 'a decoder thread has a profile');
if (live !== null) emit({ t: 'loaded', error: null });
loading?.run().then(
  () => emit({ t: 'loaded', error: null }),
  (error: unknown) => emit({ t: 'loaded', error: wireError(error) }),
);

type Calls = { readonly [N in CallName]: (ask: DecoderCalls[N]['ask']) => DecoderCalls[N]['answer'] | Promise<DecoderCalls[N]['answer']> };

const calls: Calls = {
  since: ({ cursor }) => {
    const delta = takeDelta(profile, cursor);
    // The delta lies in a writer's larger buffer: its bytes alone are sent.
    return { bytes: delta.bytes.slice(), cursor: delta.cursor, complete: delta.complete, summary: summaryOf(profile) };
  },
  open: ({ facts }) => {
    running().open(facts);
    return null;
  },
  track: ({ facts }) => ({ track: profile.addTrack(facts) }),
  seal: async ({ notes }) => await running().seal(notes),
  summary: () => summaryOf(profile),
  mix: () => ({ mix: mixOf(profile), gaps: gapsOf(profile) }),
  export: async (ask) => await exportProfile(profile, ask),
  tables: ({ folder }) => {
    writeTables(profile, folder);
    return null;
  },
  tree: ({ folder }) => {
    writeTree(profile, folder);
    return null;
  },
};

function running(): LiveProfile {
  ensure(live !== null, 'only a live recording has streams');
  return live;
}

main.on('message', (message: ToDecoder) => {
  if (message.t === 'call') void answer(message.id, message.name, message.ask);
  else take(message);
});

async function answer<N extends CallName>(id: number, name: N, ask: unknown): Promise<void> {
  try {
    const result = await calls[name](ask as DecoderCalls[N]['ask']);
    // Its bytes are its own copy: they change hands instead of being copied again.
    const bytes = result !== null && 'bytes' in result && result.bytes instanceof Uint8Array ? result.bytes : null;
    say({ t: 'answer', id, answer: result }, bytes !== null && bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer] : []);
  } catch (error) {
    say({ t: 'failed', id, error: wireError(error) });
  }
}

function take(message: DecoderTell): void {
  const target = profile;
  ensure(target !== undefined, 'a decoder thread has a profile');
  switch (message.t) {
    case 'port':
      running().connect(message.port);
      return;
    case 'value':
      running().value(message.track, message.at, message.value);
      return;
    case 'mark':
      running().mark(message.facts);
      return;
    case 'info':
      Object.assign(target.info, message.info);
      target.touch();
      return;
    case 'skip':
      target.skip(message.what, message.count);
      return;
  }
}
