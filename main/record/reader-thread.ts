// The reader thread of a recording. It opens FIFOs, keeps their bytes (streams/ID.zst) and hands them on. It opens nothing
// else and never waits for decoding: perf loses samples as soon as its pipe is not read.
//
// Hand-over is bounded. While fewer than CREDIT bytes are on their way, bytes are transferred. Beyond that they go to an
// uncompressed spill file beside the FIFO; the decoder reads it at its own pace, and when it has read all of it, transfer goes on.
import { constants, createWriteStream, openSync, truncateSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { ensure, messageOf } from '#core/errors';
import type { Credit, FromReader, Handover, ToReader } from './messages.ts';
import { RawStream } from './raw-stream.ts';
import { encodeWindow } from './windows.ts';

interface Stream {
  readonly id: string;
  readonly raw: RawStream;
  readonly socket: Socket | null;
  readonly spillPath: string;
  /** Bytes that were handed over and not yet taken. */
  outstanding: number;
  spill: WriteStream | null;
  /** Bytes written to the spill file since it was last empty. */
  spilled: number;
  /** Bytes that came so far. */
  came: number;
  ended: boolean;
}

/** A FIFO that is to end still holds what its writer left in it: it ends when nothing came for so long, or after so many looks. */
const STILL_MS = 50;
const MOST_LOOKS = 100;

/** `credit`: bytes that may be on their way to the decoder. */
const { folder, credit: CREDIT } = workerData as { folder: string; credit: number };
ensure(parentPort !== null, 'the reader runs in a thread');
const main: MessagePort = parentPort;
const streams = new Map<string, Stream>();
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
let decoder: MessagePort | null = null;
let keep = true;
let bytesRead = 0;

main.on('message', (message: ToReader) => {
  switch (message.t) {
    case 'port':
      decoder = message.port;
      decoder.on('message', taken);
      return;
    case 'fifo': return openFifo(message.stream, message.path, message.spill);
    case 'window': return takeWindow(message);
    case 'end': return endWhenStill(streams.get(message.stream) ?? add(message.stream, null, ''));
    case 'keepNothing':
      keep = false;
      return;
    case 'close': return void close();
  }
});

function say(message: FromReader): void {
  main.postMessage(message);
}

function hand(message: Handover, transfer: ArrayBuffer[] = []): void {
  decoder?.postMessage(message, transfer);
}

function add(id: string, socket: Socket | null, spillPath: string): Stream {
  const raw = new RawStream(folder, id, (message) => say({ t: 'diskFailed', message }));
  const stream: Stream = { id, raw, socket, spillPath, outstanding: 0, spill: null, spilled: 0, came: 0, ended: false };
  streams.set(id, stream);
  return stream;
}

function openFifo(id: string, path: string, spillPath: string): void {
  try {
    // O_NONBLOCK: the open does not wait for a writer, and no event comes before one is there.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const socket = new Socket({ fd, readable: true, writable: false });
    const stream = add(id, socket, spillPath);
    socket.on('data', (bytes: Buffer) => take(stream, bytes));
    socket.on('error', () => end(stream));
    socket.on('end', () => end(stream));
    socket.on('close', () => end(stream));
    say({ t: 'opened', stream: id, error: '' });
  } catch (error) {
    say({ t: 'opened', stream: id, error: messageOf(error) });
  }
}

function take(stream: Stream, chunk: Buffer): void {
  bytesRead += chunk.length;
  stream.came += chunk.length;
  // Node hands out pieces of pooled buffers: the copy is what may be transferred and what zstd may hold on to.
  const bytes = new Uint8Array(chunk);
  if (keep && !stream.raw.write(bytes) && stream.socket !== null) {
    stream.socket.pause();
    stream.raw.onDrain(() => stream.socket?.resume());
  }
  if (stream.spill === null && stream.outstanding < CREDIT) {
    stream.outstanding += bytes.length;
    const copy = bytes.slice();
    hand({ t: 'bytes', stream: stream.id, bytes: copy }, [copy.buffer]);
    return;
  }
  spill(stream, bytes);
}

function spill(stream: Stream, bytes: Uint8Array): void {
  if (stream.spill === null) {
    stream.spill = createWriteStream(stream.spillPath, { mode: 0o600, flags: 'w' });
    stream.spill.on('error', (error) => say({ t: 'diskFailed', message: messageOf(error) }));
    stream.spilled = 0;
  }
  const file = stream.spill;
  stream.spilled += bytes.length;
  const to = stream.spilled;
  file.write(bytes, (error) => {
    if (error === null || error === undefined) hand({ t: 'spill', stream: stream.id, path: stream.spillPath, to });
  });
}

function takeWindow(message: Extract<ToReader, { t: 'window' }>): void {
  const stream = streams.get(message.stream) ?? add(message.stream, null, '');
  if (stream.ended) return;
  bytesRead += message.bytes.length;
  if (keep) stream.raw.write(encodeWindow(message.window, message.bytes));
  hand({ t: 'window', stream: stream.id, window: message.window, bytes: message.bytes });
}

function taken(given: Credit): void {
  const stream = streams.get(given.stream);
  if (stream === undefined) return;
  stream.outstanding -= given.bytes;
  if (stream.spill === null || stream.outstanding > 0 || given.spill < stream.spilled) return;
  // The decoder has read all that was spilled: back to transferring.
  const file = stream.spill;
  stream.spill = null;
  stream.spilled = 0;
  file.end(() => {
    if (stream.spill === null) truncateSync(stream.spillPath);
    if (stream.ended) hand({ t: 'end', stream: stream.id });
  });
}

function endWhenStill(stream: Stream, looks = 0): void {
  if (stream.socket === null || stream.ended || looks >= MOST_LOOKS) return end(stream);
  const { came } = stream;
  setTimeout(() => {
    if (stream.came === came) end(stream);
    else endWhenStill(stream, looks + 1);
  }, STILL_MS);
}

function end(stream: Stream): void {
  if (stream.ended) return;
  stream.ended = true;
  stream.socket?.destroy();
  // With a spill the end comes after the decoder has read it.
  if (stream.spill === null) hand({ t: 'end', stream: stream.id });
}

async function close(): Promise<void> {
  for (const stream of streams.values()) end(stream);
  await Promise.all([...streams.values()].map((stream) => stream.raw.close()));
  say({ t: 'closed', bytes: bytesRead, delayP99Ms: delay.percentile(99) / 1e6 });
  // The port to the decoder stays open until the decoder has read what was spilled; main ends this thread.
}
