// Rows since a cursor, as bytes. The same bytes go to the page, to disk (deltas.bin) and from an import: opening a file,
// reloading a window and joining late are all "the delta from the empty cursor".
import { UserError } from '#core/errors';
import { ByteReader, ByteWriter } from '#core/protocol/bytes';
import type { Float64Column } from './column.ts';
import { Int32Column } from './column.ts';
import type { FrameId, FunctionId, LaneId, ProcessId, StackId, ThreadId } from './ids.ts';
import { ns } from './ids.ts';
import { LANE_KINDS, UNITS } from './lane.ts';
import type { Chunk, Lane } from './lane.ts';
import type { Profile } from './profile.ts';
import type { ProfileInfo } from './profile.ts';

/** Version of these bytes; a reader refuses a newer one and reads all older ones. Version 1 has no derived stacks. */
export const DELTA_VERSION = 2;
const FIRST_VERSION = 1;
/** Before a lane's derived stacks: 0 none, 1 without the count of those merged in part, 2 with it. */
const MERGED_PARTLY = 2;

// How a lane continues in a delta.
const SAME_LANE = 0;
const NEW_LANE = 1;
const LANE_AGAIN = 2;

/** How far a reader has come: rows of each table. Plain JSON, made by `startCursor`, moved by `takeDelta`. */
export interface Cursor {
  strings: number;
  functions: number;
  frames: number;
  frameChanges: number;
  stacks: number;
  processes: number;
  processChanges: number;
  threads: number;
  threadChanges: number;
  marks: number;
  info: number;
  lanes: number[];
  /** Thinnings of each lane that the reader has seen. */
  thinnings: number[];
  /** Rows of each lane whose derived stack the reader has. */
  merged: number[];
  tracks: number[];
}

export function startCursor(): Cursor {
  return {
    strings: 1, functions: 0, frames: 0, frameChanges: 0, stacks: 0, processes: 0, processChanges: 0, threads: 0,
    threadChanges: 0, marks: 0, info: -1, lanes: [], thinnings: [], merged: [], tracks: [],
  };
}

export interface Delta {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The cursor to ask with next. */
  readonly cursor: Cursor;
  /** False when the limit was reached and more rows wait. */
  readonly complete: boolean;
  /** True when nothing changed since the cursor (apart from open intervals). */
  readonly empty: boolean;
}

/**
 * Everything after `from`, at most about `limit` bytes. Tables come before the rows that name them, so a reader that
 * applies deltas in order never meets an unknown id.
 */
export function takeDelta(profile: Profile, from: Cursor, limit = 1_000_000): Delta {
  checkCursor(profile, from);
  const out = new ByteWriter(16_384);
  const next: Cursor = { ...from, lanes: [...from.lanes], thinnings: [...from.thinnings], merged: [...from.merged], tracks: [...from.tracks] };
  let changed = false;
  const moved = (rows: number) => { changed ||= rows > 0; return rows; };
  const fits = (rows: number, bytesEach: number) => Math.max(0, Math.min(rows, Math.floor((limit - out.length) / bytesEach)));

  out.u8(DELTA_VERSION);

  // Strings: as many as fit, at least one so that a huge string cannot stall the stream.
  let to = from.strings;
  const strings = new ByteWriter();
  while (to < profile.strings.length && (to === from.strings || strings.length < limit / 2)) strings.string(profile.strings.values[to++]);
  out.u32(moved(to - from.strings));
  out.bytes(strings.finish());
  next.strings = to;
  let complete = to === profile.strings.length;

  const table = (at: number, length: number, columns: readonly (Int32Column | Float64Column)[], bytesEach: number): number => {
    const rows = complete ? fits(length - at, bytesEach) : 0;
    moved(rows);
    for (const column of columns) out.column(column.view(at, at + rows));
    if (at + rows < length) complete = false;
    return at + rows;
  };

  const f = profile.functions;
  next.functions = table(from.functions, f.length, [f.name, f.file, f.library, f.kind, f.flags], 20);
  const fr = profile.frames;
  next.frames = table(from.frames, fr.length, [fr.function, fr.line, fr.address, fr.library, fr.rule], 24);
  next.frameChanges = complete ? writeFrameChanges(out, profile, from, next) : (out.u32(0), from.frameChanges);
  moved(next.frameChanges - from.frameChanges);
  const s = profile.stacks;
  next.stacks = table(from.stacks, s.length, [s.prefix, s.frame], 8);

  const p = profile.processes;
  next.processes = table(from.processes, p.length, [p.pid, p.start, p.parent, p.name, p.command, p.rank], 28);
  const pc = complete ? changedRows(p.changes, from.processChanges, from.processes) : [];
  out.u32(moved(pc.length));
  for (const row of pc) { out.u32(row); out.u32(p.name.get(row)); out.u32(p.command.get(row)); }
  if (complete) next.processChanges = p.changes.length;

  const t = profile.threads;
  next.threads = table(from.threads, t.length, [t.process, t.tid, t.generation, t.name, t.onCpu, t.waiting, t.blocked], 40);
  const tc = complete ? changedRows(t.changes, from.threadChanges, from.threads) : [];
  out.u32(moved(tc.length));
  for (const row of tc) {
    out.u32(row); out.u32(t.name.get(row)); out.f64(t.onCpu.get(row)); out.f64(t.waiting.get(row)); out.f64(t.blocked.get(row));
  }
  if (complete) next.threadChanges = t.changes.length;

  const m = profile.marks;
  next.marks = table(from.marks, m.length, [m.kind, m.start, m.end, m.text, m.value, m.thread], 36);

  const info = from.info !== profile.infoRevision ? JSON.stringify({ info: profile.info, skipped: [...profile.skipped] }) : '';
  out.string(info);
  moved(info.length);
  next.info = profile.infoRevision;

  const tracks = complete ? profile.tracks.length : 0;
  out.u32(tracks);
  for (let i = 0; i < tracks; i++) {
    const track = profile.tracks[i];
    const known = from.tracks[i] !== undefined;
    out.u8(known ? 0 : 1);
    if (!known) { changed = true; out.string(track.name); out.string(track.unit); out.f64(track.scale); out.u32(track.process + 1); }
    next.tracks[i] = table(from.tracks[i] ?? 0, track.time.length, [track.time, track.value], 16);
  }

  const lanes = complete ? profile.lanes.length : 0;
  out.u32(lanes);
  for (let i = 0; i < lanes; i++) {
    const lane = profile.lanes[i];
    const known = from.lanes[i] !== undefined;
    const at = known ? positionIn(lane, from.lanes[i], from.thinnings[i] ?? 0, from.merged[i] ?? 0) : 0;
    out.u8(!known ? NEW_LANE : at < 0 ? LANE_AGAIN : SAME_LANE);
    if (!known) {
      changed = true;
      out.u8(LANE_KINDS.indexOf(lane.kind)); out.u8(UNITS.indexOf(lane.unit)); out.string(lane.name); out.string(lane.source);
      out.u8(lane.intervals ? 1 : 0);
    }
    const start = Math.max(at, 0);
    const rows = complete ? fits(lane.rows - start, 44) : 0;
    moved(rows);
    writeRows(out, lane.chunks, lane.locate(start), rows);
    next.lanes[i] = start + rows;
    next.thinnings[i] = lane.thinnings;
    // The reader's derived rows follow its rows through a thinning; a lane that is taken again has none.
    const had = at < 0 || !known ? 0 : Math.max(0, (from.merged[i] ?? 0) - (from.lanes[i] - start));
    const merged = complete ? fits(Math.min(lane.mergedRows, start + rows) - had, 4) : 0;
    moved(merged);
    writeMerged(out, lane, had, merged, start + rows);
    next.merged[i] = had + merged;
    if (start + rows < lane.rows || had + merged < lane.mergedRows) complete = false;
  }

  out.u32(profile.open.length);
  for (const open of profile.open) { out.u32(open.lane); out.u32(open.thread + 1); out.u32(open.stack + 1); out.f64(open.since); }
  return { bytes: out.finish(), cursor: next, complete, empty: !changed };
}

/** A cursor may come from a page that belongs to another run: nothing in it is believed. Throws UserError `cursor-ahead`. */
function checkCursor(profile: Profile, from: Cursor): void {
  const rows: Record<Exclude<keyof Cursor, 'info' | 'lanes' | 'thinnings' | 'merged' | 'tracks'>, number> = {
    strings: profile.strings.length, functions: profile.functions.length, frames: profile.frames.length, frameChanges: profile.frames.changes.length,
    stacks: profile.stacks.length, processes: profile.processes.length, processChanges: profile.processes.changes.length,
    threads: profile.threads.length, threadChanges: profile.threads.changes.length, marks: profile.marks.length,
  };
  for (const [table, length] of Object.entries(rows)) {
    const at = from[table as keyof typeof rows];
    if (!(at >= 0 && at <= length)) throw new UserError('cursor-ahead', `a page has ${at} rows of ${table}, the profile ${length}`, { hint: 'Read it from the start.' });
  }
  for (const [i, track] of profile.tracks.entries()) {
    const at = from.tracks[i] ?? 0;
    if (!(at >= 0 && at <= track.time.length)) throw new UserError('cursor-ahead', `a page has ${at} rows of track ${track.name}, the profile ${track.time.length}`, { hint: 'Read it from the start.' });
  }
}

/** Appends a delta to a profile that holds everything before it. Throws UserError where the bytes are damaged. */
export function applyDelta(profile: Profile, bytes: Uint8Array): void {
  const input = new ByteReader(bytes);
  const version = input.u8();
  if (version < FIRST_VERSION || version > DELTA_VERSION) {
    throw new UserError('delta-version', `delta version ${version}, this Flamebench reads ${DELTA_VERSION}`, { hint: 'Open it with a newer Flamebench.' });
  }
  const strings = input.u32();
  for (let i = 0; i < strings; i++) {
    const value = input.string();
    // A string that came before (another writer interned it here) would shift every later row.
    const at = profile.strings.length;
    if (profile.strings.intern(value) !== at) throw new UserError('delta-order', `string ${at} came twice: deltas were applied out of order`);
  }
  const f = profile.functions;
  readTable(input, f.length, [f.name, f.file, f.library, f.kind, f.flags]);
  const fr = profile.frames;
  readTable(input, fr.length, [fr.function, fr.line, fr.address, fr.library, fr.rule]);
  const frameChanges = input.u32();
  for (let i = 0; i < frameChanges; i++) {
    const frame = within(input.u32(), fr.length, 'frame') as FrameId;
    const fn = input.u32() as FunctionId;
    const line = input.u32();
    const inlined = Array.from({ length: input.u32() }, () => ({ function: input.u32() as FunctionId, line: input.u32() }));
    fr.setFunction(frame, fn, line, inlined);
  }
  const s = profile.stacks;
  readTable(input, s.length, [s.prefix, s.frame]);
  const p = profile.processes;
  readTable(input, p.length, [p.pid, p.start, p.parent, p.name, p.command, p.rank]);
  const processChanges = input.u32();
  for (let i = 0; i < processChanges; i++) {
    const row = within(input.u32(), p.length, 'process');
    p.name.set(row, input.u32());
    p.command.set(row, input.u32());
    p.changes.push(row);
  }
  const t = profile.threads;
  readTable(input, t.length, [t.process, t.tid, t.generation, t.name, t.onCpu, t.waiting, t.blocked]);
  const threadChanges = input.u32();
  for (let i = 0; i < threadChanges; i++) {
    const row = within(input.u32(), t.length, 'thread') as ThreadId;
    t.name.set(row, input.u32());
    t.setTimes(row, input.f64(), input.f64(), input.f64());
  }
  const m = profile.marks;
  readTable(input, m.length, [m.kind, m.start, m.end, m.text, m.value, m.thread]);
  const info = input.string();
  if (info !== '') {
    const parsed = parseInfo(info);
    profile.info = parsed.info;
    profile.skipped.clear();
    for (const [what, count] of parsed.skipped) profile.skipped.set(what, count);
    profile.touch();
  }
  const tracks = input.u32();
  for (let i = 0; i < tracks; i++) {
    if (input.u8() === 1) profile.addTrack({ name: input.string(), unit: input.string(), scale: input.f64(), process: (input.u32() - 1) as ProcessId });
    const track = profile.tracks[within(i, profile.tracks.length, 'track')];
    readTable(input, track.time.length, [track.time, track.value]);
  }
  const lanes = input.u32();
  for (let i = 0; i < lanes; i++) {
    const state = input.u8();
    if (state === NEW_LANE) {
      profile.addLane({
        kind: LANE_KINDS[within(input.u8(), LANE_KINDS.length, 'lane kind')], unit: UNITS[within(input.u8(), UNITS.length, 'unit')],
        name: input.string(), source: input.string(), intervals: input.u8() === 1,
      });
    }
    const lane = profile.lanes[within(i, profile.lanes.length, 'lane')];
    if (state === LANE_AGAIN) lane.clear();
    const time = input.float64(), thread = input.int32(), stack = input.int32();
    const weight = input.float64(), count = input.float64(), duration = input.float64();
    for (let row = 0; row < time.length; row++) {
      lane.push(time[row], thread[row], within(stack[row] + 1, profile.stacks.length + 1, 'stack') - 1,
        weight[weight.length === 1 ? 0 : row], count[count.length === 1 ? 0 : row], duration[duration.length === 1 ? 0 : row]);
    }
    if (version > FIRST_VERSION) readMerged(input, lane, profile.stacks.length);
  }
  profile.open = Array.from({ length: input.u32() }, () => ({
    lane: input.u32() as LaneId, thread: (input.u32() - 1) as ThreadId, stack: (input.u32() - 1) as StackId, since: ns(input.f64()),
  }));
}

function parseInfo(text: string): { info: ProfileInfo; skipped: [string, number][] } {
  try {
    const parsed = JSON.parse(text) as { info: ProfileInfo; skipped: [string, number][] };
    if (typeof parsed.info === 'object' && parsed.info !== null && Array.isArray(parsed.skipped)) return parsed;
  } catch {
    // Said below, as for JSON of another form.
  }
  throw new UserError('delta-damaged', `the facts of the run in a delta cannot be read (${text.length} characters)`);
}

function within(value: number, length: number, what: string): number {
  if (value < 0 || value >= length) throw new UserError('delta-damaged', `a delta names ${what} ${value}, there are ${length}`);
  return value;
}

function readTable(input: ByteReader, before: number, columns: readonly (Int32Column | Float64Column)[]): void {
  for (const column of columns) {
    if (column instanceof Int32Column) column.append(input.int32());
    else column.append(input.float64());
  }
  const rows = columns[0].length - before;
  for (const column of columns) {
    if (column.length !== before + rows) throw new UserError('delta-damaged', `columns of a table differ in length: ${column.length} and ${before + rows}`);
  }
}

/** Distinct rows that changed since the cursor and that the reader already has. */
function changedRows(changes: Int32Column, since: number, known: number): number[] {
  return [...new Set(changes.view(since))].filter((row) => row < known);
}

function writeFrameChanges(out: ByteWriter, profile: Profile, from: Cursor, next: Cursor): number {
  const frames = profile.frames;
  // An inlined list is not a column: rows that are new in this delta and have one are sent as changes too.
  const rows = new Set(changedRows(frames.changes, from.frameChanges, next.frames));
  // A change may name a function of a later delta only when functions were cut, and then `complete` was false.
  out.u32(rows.size);
  for (const row of rows) {
    const inlined = frames.inlined.get(row as FrameId) ?? [];
    out.u32(row);
    out.u32(frames.function.get(row));
    out.u32(frames.line.get(row));
    out.u32(inlined.length);
    for (const call of inlined) { out.u32(call.function); out.u32(call.line); }
  }
  return frames.changes.length;
}

/**
 * Where a reader that has `rows` rows goes on after thinnings that it has not seen; -1 when it has to take the lane again.
 * A reader that had passed the thinned half takes the rest and then, at the same count, thins the same rows itself.
 */
function positionIn(lane: Lane, rows: number, thinningsSeen: number, merged: number): number {
  if (thinningsSeen === lane.thinnings) return rows >= 0 && rows <= lane.rows ? rows : -1;
  const { rows: half, removed } = lane.lastThinning;
  // Another cut into chunks there may thin up to half of the lane: derived stacks go on only beyond that.
  const passed = rows >= half && (lane.mergedRows === 0 || merged >= lane.limit / 2);
  return thinningsSeen === lane.thinnings - 1 && removed > 0 && passed ? rows - removed : -1;
}

/**
 * Derived stacks `from` .. `from + rows` of a lane, for a reader that has its first `known` rows. Where they begin is told
 * from the end of those: the front of a lane may be thinned there otherwise than here.
 */
function writeMerged(out: ByteWriter, lane: Lane, from: number, rows: number, known: number): void {
  out.u8(rows === 0 ? 0 : MERGED_PARTLY);
  if (rows === 0) return;
  out.f64(lane.pythonMerged);
  out.f64(lane.pythonUnmerged);
  out.f64(lane.pythonPartly);
  out.u32(known - from);
  const stacks = new Int32Array(rows);
  let { chunk: c, row } = lane.locate(from);
  for (let done = 0; done < rows; c++, row = 0) {
    const { merged, mergedRows } = lane.chunks[c];
    const part = Math.min(mergedRows - row, rows - done);
    if (merged !== null) stacks.set(merged.subarray(row, row + part), done);
    done += part;
  }
  out.column(stacks);
}

function readMerged(input: ByteReader, lane: Lane, stacks: number): void {
  const kind = input.u8();
  if (kind === 0) return;
  const pythonMerged = input.f64();
  const pythonUnmerged = input.f64();
  const pythonPartly = kind >= MERGED_PARTLY ? input.f64() : 0;
  const start = lane.rows - input.u32();
  const column = input.int32();
  if (start + column.length > lane.rows) {
    throw new UserError('delta-damaged', `a delta derives ${column.length} stacks from row ${start} on, there are ${lane.rows} rows`);
  }
  lane.fillMerged(start);
  for (let i = Math.max(0, lane.mergedRows - start); i < column.length; i++) lane.pushMerged(within(column[i] + 1, stacks + 1, 'stack') - 1, null);
  lane.pythonMerged = pythonMerged;
  lane.pythonUnmerged = pythonUnmerged;
  lane.pythonPartly = pythonPartly;
}

function writeRows(out: ByteWriter, chunks: readonly Chunk[], at: { chunk: number; row: number }, rows: number): void {
  const time = new Float64Array(rows), thread = new Int32Array(rows), stack = new Int32Array(rows);
  const weight = new Float64Array(rows), count = new Float64Array(rows), duration = new Float64Array(rows);
  for (let i = 0, c = at.chunk, r = at.row; i < rows; i++, r++) {
    while (r >= chunks[c].rows) { c++; r = 0; }
    const chunk = chunks[c];
    time[i] = chunk.timeAt(r);
    thread[i] = chunk.thread[r];
    stack[i] = chunk.stack[r];
    weight[i] = chunk.weight.get(r);
    count[i] = chunk.count.get(r);
    duration[i] = chunk.duration.get(r);
  }
  out.column(time);
  out.column(thread);
  out.column(stack);
  for (const column of [weight, count, duration]) out.column(sparing(column));
}

/** One value where all rows hold it: constant weights and counts cost nothing on the wire. */
function sparing(column: Float64Array): Float64Array {
  for (let i = 1; i < column.length; i++) if (column[i] !== column[0]) return column;
  return column.subarray(0, Math.min(1, column.length));
}
