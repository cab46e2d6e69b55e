// Reads the text of `perf script`: every event a lane of its own, threads and processes as perf names them. The lines are
// described in perf-script-lines.ts. `# ` lines of `perf script --header` give host, kernel, command and tool.
import type { FrameId, ProcessId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK, NO_THREAD, ns } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { UserError } from '#core/errors';
import { ByteTable } from './byte-table.ts';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from './format.ts';
import { headLines, LineSplitter, textOf } from './lines.ts';
import { baseName, functionOf, HEADER_LIMIT, laneOf, parseFrame, parseHeader } from './perf-script-lines.ts';
import type { HeaderLine } from './perf-script-lines.ts';

const FRAME_START = /^[ \t]+[0-9a-f]+ \S/;
const NOISE = /^(build id event received for |Samples for '|Looking at the |\[ perf record: |Warning:|no symbols found in |Failed to open |.* not found, continuing without symbols)/;
const MOST_LINES = 2_000_000;
const NO_FRAME = -1;

export const perfScript: StreamFormat = {
  id: 'perf-script',
  title: 'perf script text',
  extensions: ['.perf', '.txt', '.script'],
  input: 'chunks',
  match: matchPerfScript,
  open: (profile, context) => new PerfScriptDecoder(profile, context),
};

function matchPerfScript(head: Uint8Array): Match {
  if (head.includes(0) && head[0] !== 0xff && head[0] !== 0xfe) return 'no';
  let headers = 0;
  let afterHeader = false;
  for (const line of headLines(head)) {
    if (line === '' || line.length > HEADER_LIMIT) { afterHeader = false; continue; }
    if (line.startsWith('# cmdline : ') || line.startsWith('# captured on')) return 'yes';
    if (line.startsWith('#') || NOISE.test(line)) continue;
    const header = parseHeader(line);
    const timed = header !== null && (header.time >= 0 || header.event !== '') && (header.tid >= 0 || header.event !== '');
    if (afterHeader && FRAME_START.test(line)) return 'yes';
    if (timed && /^[0-9a-f]+ .* \(.*\)\s*$/.test(header.trace)) return 'yes';
    afterHeader = header !== null;
    if (timed && header.time >= 0 && header.event !== '') headers++;
  }
  return headers > 0 ? 'maybe' : 'no';
}

interface OpenSample {
  header: HeaderLine;
  thread: ThreadId;
  lane: Lane;
}

class PerfScriptDecoder implements ChunkDecoder {
  #profile: Profile;
  #lines = new LineSplitter((bytes, start, end) => this.#line(bytes, start, end));
  /** Frame lines less their address, seen before; the frame of each. */
  #seen = new ByteTable();
  #frameOfLine: number[] = [];
  /** Frames of the open sample, leaf first. */
  #frames = new Int32Array(256);
  #depth = 0;
  #sample: OpenSample | null = null;
  #lanes = new Map<string, Lane>();
  #threads = new Map<string, ThreadId>();
  #processes = new Map<number, ProcessId>();
  #firstTime = -1;
  #lastTime = 0;
  #samples = 0;

  constructor(profile: Profile, context: ReadContext) {
    this.#profile = profile;
    profile.info.format = 'perf-script';
    profile.info.title ||= context.name;
    profile.info.tool ||= 'perf script';
    profile.touch();
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    this.#finish();
    if (this.#lines.cut > 0) this.#profile.skip('lines longer than 1 MB were cut', this.#lines.cut);
    this.#profile.reach(ns(this.#lastTime));
    if (this.#samples === 0) {
      throw new UserError('no-samples', `no sample in ${this.#lines.line} lines of perf script text`, {
        hint: 'Make it with: perf script -F +pid > FILE, from a recording made with -g.',
      });
    }
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return this.#finish();
    const first = bytes[start];
    if (first === 35) return this.#comment(textOf(bytes, start, end));
    const indented = first === 32 || first === 9;
    if (indented && this.#sample !== null && this.#frameLine(bytes, start, end)) return;
    this.#otherLine(bytes, start, end, indented);
  }

  /** True where the line is a frame of the open sample. */
  #frameLine(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end && (bytes[at] === 32 || bytes[at] === 9)) at++;
    const addressStart = at;
    while (at < end && isHex(bytes[at])) at++;
    if (at === addressStart || (at < end && bytes[at] !== 32)) return false;
    while (at < end && bytes[at] === 32) at++;
    let frame: number;
    if (at === end) {
      // An address alone (`-F ip`): the function is the address.
      frame = this.#frame('[unknown]', '', '');
    } else {
      const seed = this.#sample?.header.comm.startsWith('java') === true ? 1 : 0;
      const line = this.#seen.find(bytes, at, end, seed);
      if (line >= 0) {
        frame = this.#frameOfLine[line];
      } else {
        const text = textOf(bytes, at, end);
        if (end - start < HEADER_LIMIT && /\d\.\d+:\s/.test(text) && this.#single(bytes, start, end)) return true;
        const parsed = parseFrame(text);
        frame = parsed === null ? NO_FRAME : this.#frame(parsed.symbol, parsed.object, parsed.place);
        if (this.#seen.length >= MOST_LINES) { this.#seen = new ByteTable(); this.#frameOfLine = []; this.#seen.find(bytes, at, end, seed); }
        this.#seen.add(bytes, at, end, seed);
        this.#frameOfLine.push(frame);
      }
    }
    if (frame === NO_FRAME) return true;
    if (this.#depth === this.#frames.length) {
      const bigger = new Int32Array(this.#depth * 2);
      bigger.set(this.#frames);
      this.#frames = bigger;
    }
    this.#frames[this.#depth++] = frame;
    return true;
  }

  #frame(symbol: string, object: string, place: string): FrameId {
    const line = /:(\d+)$/.exec(place);
    const fn = this.#profile.functions.intern(functionOf({ symbol, object, place }, this.#sample?.header.comm ?? ''));
    return this.#profile.frames.source(fn, line === null ? 0 : Math.min(Number(line[1]), 0x7fffffff));
  }

  /** A first line, a sample of one line, a file:line of the frame before it, or nothing that we know. */
  #otherLine(bytes: Uint8Array, start: number, end: number, indented: boolean): void {
    const text = textOf(bytes, start, Math.min(end, start + HEADER_LIMIT));
    if (indented && this.#sample !== null && /^\s+\S+:\d+\s*$/.test(text)) return this.#place(text.trim());
    if (indented && this.#sample === null && FRAME_START.test(text) && !/\d\.\d+:\s/.test(text)) return this.#profile.skip('stack lines outside a sample');
    if (NOISE.test(text)) return this.#profile.skip('messages of perf');
    const header = end - start > HEADER_LIMIT ? null : parseHeader(text);
    if (header === null) {
      return this.#profile.skip(this.#sample === null ? 'lines that are no perf script text' : 'stack lines that could not be read');
    }
    this.#begin(header);
  }

  /** `-F srcline` prints the place on a line of its own after the frame. */
  #place(place: string): void {
    if (this.#depth === 0 || place.startsWith('??:')) return;
    const { functions, frames } = this.#profile;
    const fn = frames.functionOf(this.#frames[this.#depth - 1] as FrameId);
    const at = place.lastIndexOf(':');
    const named = functions.intern({
      name: functions.nameOf(fn), file: place.slice(0, at), library: functions.libraryOf(fn), kind: functions.kindOf(fn), flags: functions.flags.get(fn),
    });
    this.#frames[this.#depth - 1] = frames.source(named, Math.min(Number(place.slice(at + 1)), 0x7fffffff));
  }

  #single(bytes: Uint8Array, start: number, end: number): boolean {
    const header = parseHeader(textOf(bytes, start, end));
    if (header === null || header.time < 0) return false;
    this.#begin(header);
    return true;
  }

  #begin(header: HeaderLine): void {
    this.#finish();
    const key = `${header.event} ${header.period >= 0}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = this.#profile.lanes[this.#profile.addLane(laneOf(header.event, header.period >= 0))];
      this.#lanes.set(key, lane);
    }
    this.#sample = { header, lane, thread: this.#thread(header) };
    const frame = /^([0-9a-f]+)\s+(\S.*)$/.exec(header.trace);
    const parsed = frame === null ? null : parseFrame(frame[2]);
    if (parsed !== null && parsed.object !== '') this.#frames[this.#depth++] = this.#frame(parsed.symbol, parsed.object, parsed.place);
  }

  #finish(): void {
    const sample = this.#sample;
    if (sample === null) return;
    this.#sample = null;
    let stack: StackId = NO_STACK;
    for (let i = this.#depth - 1; i >= 0; i--) stack = this.#profile.stacks.intern(stack, this.#frames[i] as FrameId);
    if (this.#depth === 0) {
      this.#profile.skip('samples without a stack (kept as [no stack])');
      const none = this.#profile.functions.intern({ name: '[no stack]', kind: 'marker' });
      stack = this.#profile.stacks.intern(NO_STACK, this.#profile.frames.source(none));
    }
    this.#depth = 0;
    const { header, lane, thread } = sample;
    let time = this.#lastTime;
    if (header.time >= 0) {
      if (this.#firstTime < 0) this.#firstTime = header.time;
      time = Math.max(0, header.time - this.#firstTime);
      if (time > this.#lastTime) this.#lastTime = time;
    }
    // perf prints a period of 0 for what it did not sample itself; such a row counts one, as in the folded text.
    lane.push(time, thread, stack, header.period > 0 ? header.period : 1);
    this.#samples++;
  }

  #thread(header: HeaderLine): ThreadId {
    if (header.tid < 0 && header.comm === '') return NO_THREAD;
    const key = `${header.pid}/${header.tid}/${header.tid < 0 ? header.comm : ''}`;
    const { threads } = this.#profile;
    let thread = this.#threads.get(key);
    if (thread === undefined || threads.nameOf(thread) !== header.comm) {
      const known = thread;
      const named = this.#threads.get(`${key} ${header.comm}`);
      if (named !== undefined) {
        thread = named;
      } else {
        // A tid with another name is another program (exec) or a renamed thread: the name stays with its samples.
        thread = threads.add({ process: this.#process(header), tid: Math.max(header.tid, 0), name: header.comm, generation: known === undefined ? 0 : threads.generation.get(known) + 1 });
        this.#threads.set(`${key} ${header.comm}`, thread);
      }
      this.#threads.set(key, thread);
    }
    return thread;
  }

  #process(header: HeaderLine): ProcessId {
    // Without -F pid only the tid is known; the comm then stands for the process.
    const pid = header.pid >= 0 ? header.pid : header.tid;
    const known = this.#processes.get(pid);
    if (known !== undefined) return known;
    const process = this.#profile.processes.add({ pid: Math.max(pid, 0), name: header.comm });
    this.#processes.set(pid, process);
    return process;
  }

  #comment(text: string): void {
    const { info } = this.#profile;
    const fact = /^# (hostname|os release|perf version|cmdline) : (.*)$/.exec(text);
    if (fact === null) return;
    const value = fact[2].trim();
    if (fact[1] === 'hostname') info.host = value;
    else if (fact[1] === 'os release') info.kernel = value;
    else if (fact[1] === 'perf version') info.tool = `perf ${value}`;
    else info.command = commandOf(value);
    this.#profile.touch();
  }
}

/** The recorded command of perf's own command line: what follows `--`, else the whole line. */
function commandOf(line: string): string {
  const at = line.indexOf(' -- ');
  if (at >= 0) return line.slice(at + 4);
  const [program, ...rest] = line.split(' ');
  return [baseName(program), ...rest].join(' ');
}

function isHex(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || (byte >= 97 && byte <= 102);
}
