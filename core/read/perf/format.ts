// perf.data, in both shapes: a file with a header that says where its parts lie, and the stream of `perf record -o -` kept in
// a file. Source: tools/perf/Documentation/perf.data-file-format.txt of Linux v6.18.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { NativeSources } from '#core/native/sources';
import { NO_SOURCES } from '#core/native/sources';
import type { ByteSource, FileFormat, Match, ReadContext } from '#core/read/format';
import { PerfEvent, attrSize } from './attributes.ts';
import { PerfDecoder } from './decoder.ts';
import { refused } from './magic.ts';
import { FEATURE, u64 } from './layout.ts';

const READ_BYTES = 1 << 20;
const FILE_HEADER = 104;
const FEATURE_BITS = 256;
/** Least size of an attr, and of an entry of the attr section: the attr and where its ids lie. */
const LEAST_ATTR = 64;
const IDS_SECTION = 16;
const MOST_IDS = 1_000_000;
const MOST_FEATURE = 64 << 20;

export const perfData: FileFormat = {
  id: 'perf-data',
  title: 'perf.data',
  extensions: ['.data', '.perf', '.pipe'],
  input: 'file',
  match: matchPerf,
  read: (profile, file, context, progress) => readPerfData(profile, file, context, progress),
};

function matchPerf(head: Uint8Array): Match {
  if (head.length < 8) return 'no';
  const magic = String.fromCharCode(...head.subarray(0, 8));
  return magic === 'PERFILE2' || magic === 'PERFFILE' || magic === '2ELIFREP' ? 'yes' : 'no';
}

/**
 * Reads perf.data of either shape. Rows are in order of time, time 0 is the first record's. `sources` names the frames; without
 * it only what stands beside the file. Throws UserError for what is not a recording; what is damaged further on is counted.
 */
export function readPerfData(
  profile: Profile, file: ByteSource, context: ReadContext, progress: (done: number) => void, sources: NativeSources = context.sources ?? sourcesBeside(context),
): PerfDecoder {
  const head = file.read(0, Math.min(FILE_HEADER, file.size));
  if (head.length === 0) throw new UserError('perf-empty', `${context.name}: the file is empty`);
  const magic = String.fromCharCode(...head.subarray(0, 8));
  if (magic !== 'PERFILE2') throw refused(magic, context.name);
  profile.info.format = perfData.id;
  if (profile.info.title === '') profile.info.title = context.name;
  const decoder = new PerfDecoder(profile, {
    zeroAt: null, stacks: 'dwarf', rateHz: 0, directory: '', source: '', live: false, sources, context,
  });
  const headerSize = head.length >= 16 ? u64(new DataView(head.buffer, head.byteOffset, head.byteLength), 8) : 0;
  let from = 0;
  let to = file.size;
  if (headerSize !== 16) {
    const parts = readFileHeader(head, headerSize, file, decoder, context.name);
    from = parts.from;
    to = parts.to;
    decoder.skipHeader();
    if (parts.missing > 0) profile.skip('bytes of perf.data that the header names and the file lacks', parts.missing);
  }
  for (let at = from; at < to; at += READ_BYTES) {
    decoder.push(file.read(at, Math.min(READ_BYTES, to - at)));
    progress(Math.min(at + READ_BYTES, to));
  }
  if (from >= to) decoder.push(new Uint8Array(0));
  decoder.end();
  return decoder;
}

function readFileHeader(
  head: Uint8Array, headerSize: number, file: ByteSource, decoder: PerfDecoder, name: string,
): { from: number; to: number; missing: number } {
  if (head.length < 72 || headerSize < 72) {
    throw new UserError('perf-header', `${name}: the header of perf.data is cut off after ${head.length} bytes`, { hint: 'The recording is not complete: record again.' });
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const entry = u64(view, 16);
  const attrs = { at: u64(view, 24), size: u64(view, 32) };
  const data = { at: u64(view, 40), size: u64(view, 48) };
  if (entry < LEAST_ATTR + IDS_SECTION || entry > 4096 || attrs.at + attrs.size > file.size || attrs.size < entry) {
    throw new UserError(
      'perf-header', `${name}: the events of perf.data lie at byte ${attrs.at} (${attrs.size} bytes, ${entry} each), the file has ${file.size}`,
      { hint: 'perf was stopped before it wrote its header, or the file is cut: record again.' },
    );
  }
  const bytes = file.read(attrs.at, attrs.size);
  const attrView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + entry <= bytes.length; at += entry) {
    const ids = readIds(file, u64(attrView, at + entry - 16), u64(attrView, at + entry - 8));
    decoder.events.add(new PerfEvent(attrView, at, Math.min(entry - IDS_SECTION, Math.max(LEAST_ATTR, attrSize(attrView, at))), ids));
  }
  // A perf that was killed leaves a size of zero: everything behind the header is data, and there are no features.
  const from = Math.min(data.at, file.size);
  const to = data.size === 0 ? file.size : Math.min(data.at + data.size, file.size);
  if (data.size > 0 && head.length >= FILE_HEADER) readFeatures(view, file, data.at + data.size, decoder);
  return { from, to, missing: Math.max(0, data.at + data.size - file.size) };
}

function readIds(file: ByteSource, at: number, size: number): number[] {
  const ids: number[] = [];
  if (size === 0 || size > MOST_IDS * 8 || at + size > file.size) return ids;
  const bytes = file.read(at, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i + 8 <= bytes.length; i += 8) ids.push(u64(view, i));
  return ids;
}

/** The table of feature sections follows the data, one entry for each bit that is set. */
function readFeatures(header: DataView, file: ByteSource, tableAt: number, decoder: PerfDecoder): void {
  let entry = tableAt;
  for (let bit = 0; bit < FEATURE_BITS; bit++) {
    if ((header.getUint8(72 + (bit >> 3)) & (1 << (bit & 7))) === 0) continue;
    if (entry + 16 > file.size) return;
    const bytes = file.read(entry, 16);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const at = u64(view, 0);
    const size = u64(view, 8);
    entry += 16;
    if (!isRead(bit) || size === 0 || size > MOST_FEATURE || at + size > file.size) continue;
    decoder.feature(bit, file.read(at, size));
  }
}

function isRead(feature: number): boolean {
  return Object.values(FEATURE).some((one) => one === feature);
}

/** Only what stands beside a file: a perf map. An ELF file of this machine that merely has the same path is another one. */
function sourcesBeside(context: ReadContext): NativeSources {
  const read = new Set<number>();
  return {
    ...NO_SOURCES,
    perfMap: (pid) => {
      if (read.has(pid)) return '';
      read.add(pid);
      const file = context.openFile(`perf-${pid}.map`);
      if (file === null) return '';
      const text = new TextDecoder().decode(file.read(0, file.size));
      file.close();
      return text;
    },
  };
}
