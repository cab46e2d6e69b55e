import { spawn } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { emptyInfo } from '#core/model/profile';
import { DecoderHost } from '../../../main/record/decoder-host.ts';
import type { DecoderEvent } from '../../../main/record/messages.ts';
import { streamFiles } from '../../../main/record/raw-stream.ts';
import { Streams } from '../../../main/record/streams.ts';
import type { StreamFacts } from '../../../main/profilers/profiler.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fb-threads-'));
  mkdirSync(join(folder, 'streams'));
  mkdirSync(join(folder, 'scratch'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const FACTS: StreamFacts = { decoder: 'perf', id: 'perf', title: 'perf', watched: [1], stacks: 'dwarf', directory: '/', source: 'test', rateHz: 99 };

function start(credit?: number): { decoder: DecoderHost; streams: Streams; events: DecoderEvent[] } {
  const events: DecoderEvent[] = [];
  const decoder: DecoderHost = new DecoderHost({ kind: 'live', zeroAt: 0, folder, info: emptyInfo() }, (event) => {
    events.push(event);
    if (event.t === 'streamDone') streams.streamDone(event.stream);
  });
  const streams: Streams = new Streams({ decoder, folder, scratch: join(folder, 'scratch'), onDiskFailed: (message) => { throw new Error(message); }, ...(credit === undefined ? {} : { credit }) });
  return { decoder, streams, events };
}

/** A pipe-mode stream of `records` samples as perf writes them: header, one attribute, samples with `stack` bytes each. */
function perfStream(records: number, stack: number): Buffer {
  const header = Buffer.alloc(16);
  header.write('PERFILE2');
  header.writeUInt32LE(16, 8);
  // HEADER_ATTR: cpu-clock, sample_type IP|TID|TIME, sample_id_all, then one id.
  const attr = Buffer.alloc(8 + 128 + 8);
  attr.writeUInt32LE(64, 0);
  attr.writeUInt16LE(attr.length, 6);
  attr.writeUInt32LE(1, 8);
  attr.writeUInt32LE(128, 12);
  attr.writeBigUInt64LE(99n, 24);
  attr.writeBigUInt64LE(BigInt(1 | 2 | 4 | 0x400), 32);
  const sample = Buffer.alloc(8 + 24 + 4 + 4 + Math.max(0, stack));
  sample.writeUInt32LE(9, 0);
  sample.writeUInt16LE(2, 4);
  sample.writeUInt16LE(sample.length, 6);
  sample.writeBigUInt64LE(0x1000n, 8);
  sample.writeUInt32LE(10, 16);
  sample.writeUInt32LE(10, 20);
  sample.writeUInt32LE(stack + 0, 32);
  const parts = [header, attr];
  for (let i = 0; i < records; i++) {
    const one = Buffer.from(sample);
    one.writeBigUInt64LE(BigInt(1_000_000 + i * 1000), 24);
    parts.push(one);
  }
  return Buffer.concat(parts);
}

test('bytes arrive whole when they come faster than they are decoded: what does not fit waits on disk', async () => {
  const stream = perfStream(60_000, 512);
  expect(stream.length).toBeGreaterThan(30_000_000);
  const source = join(folder, 'source');
  await pipeline([stream], createWriteStream(source));
  const { decoder, streams, events } = start(256 * 1024);
  await decoder.loaded;
  const { path, done } = await streams.fifo(FACTS);
  await pipeline(createReadStream(source, { highWaterMark: 1 << 20 }), createWriteStream(path));
  await done;
  expect(events).toContainEqual({ t: 'streamDone', stream: 'perf', error: '' });
  const raw = await streams.close();
  expect(raw).toBe(stream.length);
  const { summary } = await decoder.call('seal', { notes: [] });
  expect(summary.samples).toBe(60_000);
  await decoder.close();
  const kept = Buffer.concat(streamFiles(join(folder, 'streams'), 'perf').map((name) => zstdDecompressSync(readFileSync(join(folder, 'streams', name)))));
  expect(kept.equals(stream)).toBe(true);
  const behind = events.filter((event) => event.t === 'behind').length;
  expect(behind).toBeGreaterThan(0);
  console.log(`decoding fell behind ${behind} times while ${stream.length} bytes came`);
});

test('a FIFO that no writer opens, a writer that dies in mid-record, bytes that are no perf stream: each ends', async () => {
  const { decoder, streams, events } = start();
  await decoder.loaded;
  const never = await streams.fifo({ ...FACTS, id: 'never' });
  const cut = await streams.fifo({ ...FACTS, id: 'cut' });
  const junk = await streams.fifo({ ...FACTS, id: 'junk' });
  await pipeline([perfStream(100, 64).subarray(0, -40)], createWriteStream(cut.path));
  const child = spawn('sh', ['-c', 'echo this is no perf stream at all > "$1"', 'sh', junk.path]);
  await new Promise((resolve) => child.once('exit', resolve));
  await Promise.all([cut.done, junk.done]);
  await streams.close();
  await never.done;
  const { summary } = await decoder.call('seal', { notes: [] });
  expect(summary.samples).toBe(99);
  expect(events.filter((event) => event.t === 'streamDone').map((event) => [event.stream, event.error !== ''])).toEqual(
    expect.arrayContaining([['cut', false], ['junk', true], ['never', true]]));
  await decoder.close();
  expect(existsSync(join(folder, 'tables', 'strings.arrow'))).toBe(true);
});
