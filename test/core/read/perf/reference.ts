// What `perf script` printed of a recording, and our samples in the same shape, laid side by side.
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { FrameId, FunctionId, StackId, ThreadId } from '#core/model/ids';
import { Profile } from '#core/model/profile';
import { FRAME_RULES } from '#core/model/tables';
import { ElfFile } from '#core/native/elf';
import type { NativeSources } from '#core/native/sources';
import { NO_SOURCES } from '#core/native/sources';
import type { PerfOptions } from '#core/read/perf/options';
import { PerfDecoder } from '#core/read/perf/decoder';
import { fileSource, readContext } from '../../../../main/record/read-context.ts';

const root = new URL('../../../../', import.meta.url).pathname;
export const FIXTURES = `${root}test/fixtures/perf`;
/** Recordings of other people, read in place. */
export const OTHERS = `${root}../shared/data/others/perf-data`;

/** A recording of ours, or what `perf script` printed of it. */
export function fixture(name: string): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(`${FIXTURES}/${name}.gz`)));
}

export function scriptOf(name: string): RefSample[] {
  return parseScript(new TextDecoder().decode(fixture(name.replace(/\.(pipe|data)$/, '.script.txt'))));
}

export function decode(bytes: Uint8Array, options: Partial<PerfOptions> = {}, chunk = 1 << 16, profile = new Profile()): { profile: Profile; decoder: PerfDecoder } {
  const decoder = new PerfDecoder(profile, {
    zeroAt: 0, stacks: 'dwarf', rateHz: 99, directory: '', source: 'test', live: false, sources: NO_SOURCES, context: readContext('test'), ...options,
  });
  for (let at = 0; at < bytes.length; at += chunk) decoder.push(bytes.subarray(at, at + chunk));
  decoder.end();
  return { profile, decoder };
}

/** Binaries that our recordings with copied stacks ran: the C programs are fixtures, the rest is this machine's if it is a twin. */
const TWIN: Readonly<Record<string, string>> = {
  '/usr/lib/x86_64-linux-gnu/libc.so.6': '93ac61ec5a8eb1396f9fbd350e3169a558528a40',
  '/usr/bin/python3.11': '571d98e01096d5c1c32420d229a6731a0a50d2a0',
  '/root/.pyenv/versions/3.12.1/bin/python3.12': '96ee6db2233cd38e0b4bea04e9815e85dcda37fc',
  '/root/.pyenv/versions/3.12.1/lib/libpython3.12.so.1.0': 'f9d5c82f5f2c22df68c1d49c944ef3dee5103dcc',
};

/** Which of these files this machine lacks or has in another version; '' when it is a twin in them. */
export function missingTwin(paths: readonly string[]): string {
  return paths.filter((path) => !existsSync(path) || readBuildId(path) !== TWIN[path]).join(', ');
}

function readBuildId(path: string): string {
  const source = fileSource(path);
  try {
    return ElfFile.open(source)?.buildId ?? '';
  } finally {
    source.close();
  }
}

export function twinSources(): NativeSources {
  const given = new Set<number>();
  return {
    ...NO_SOURCES,
    elf: (path) => {
      const place = path.startsWith('/mnt/demo/') ? `${FIXTURES}/${basename(path)}` : path in TWIN ? path : '';
      return existsSync(place) ? fileSource(place) : null;
    },
    perfMap: (pid) => {
      const name = `trampoline-python312.perf-${pid}.map`;
      if (given.has(pid) || !existsSync(`${FIXTURES}/${name}.gz`)) return '';
      given.add(pid);
      return new TextDecoder().decode(fixture(name));
    },
  };
}

export interface RefFrame {
  readonly address: bigint;
  readonly symbol: string;
  readonly dso: string;
}

export interface RefSample {
  readonly comm: string;
  readonly pid: number;
  readonly tid: number;
  readonly time: number;
  readonly event: string;
  readonly frames: RefFrame[];
}

const HEAD = /^(.+?)\s+(-?\d+)\/(-?\d+)\s+(?:\[(\d+)\]\s+)?(\d+)\.(\d+):\s+(?:(\d+)\s+)?([^\s]+?):(?:\s|$)/;
const FRAME = /^\s+([0-9a-f]+) (.*) \((.*)\)$/;

/** `perf script -F comm,pid,tid,cpu,time,event,ip,sym,symoff,dso`; times in ns. */
export function parseScript(text: string): RefSample[] {
  const samples: RefSample[] = [];
  for (const line of text.split('\n')) {
    const frame = FRAME.exec(line);
    if (frame !== null && samples.length > 0) {
      samples[samples.length - 1].frames.push({ address: BigInt(`0x${frame[1]}`), symbol: frame[2].replace(/\+0x[0-9a-f]+$/, ''), dso: frame[3] });
      continue;
    }
    const head = HEAD.exec(line);
    if (head === null) continue;
    samples.push({
      comm: head[1].trim(), pid: Number(head[2]), tid: Number(head[3]), event: plainEvent(head[8]),
      time: Number(head[5]) * 1e9 + Number(head[6].padEnd(9, '0')), frames: [],
    });
  }
  return samples;
}

/** perf repeats the terms an event was given; we cut them: `cpu-clock/freq=99/u` is `cpu-clock:u`. */
function plainEvent(name: string): string {
  return name.replace(/^([a-z-]+)\/[^/]*\/(\w*)$/, (whole, event: string, modifiers: string) =>
    event.startsWith('cpu_') ? whole : modifiers === '' ? event : `${event}:${modifiers}`);
}

export interface OurFrame {
  readonly address: number;
  readonly library: string;
  readonly name: string;
  readonly rule: string;
  readonly kind: string;
}

export interface OurSample {
  readonly comm: string;
  readonly pid: number;
  readonly tid: number;
  readonly time: number;
  readonly event: string;
  readonly weight: number;
  /** Leaf first, without markers. */
  readonly frames: OurFrame[];
  /** `[truncated]` or `[unwinding lost]`, '' where the stack reached a root. */
  readonly marker: string;
}

/** The real samples of all lanes (rows of count 0 are shared-out time). */
export function ourSamples(profile: Profile): OurSample[] {
  const out: OurSample[] = [];
  for (const lane of profile.lanes) {
    // Waiting time: many switches make one row.
    if (lane.intervals) continue;
    for (const chunk of lane.chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        if (chunk.count.get(row) === 0) continue;
        const thread = chunk.thread[row] as ThreadId;
        const frames = framesOf(profile, chunk.stack[row] as StackId);
        out.push({
          comm: profile.threads.nameOf(thread), pid: profile.processes.pid.get(profile.threads.process.get(thread)),
          tid: profile.threads.tid.get(thread), time: chunk.timeAt(row), event: lane.name, weight: chunk.weight.get(row),
          // Python functions that stand between perf's frames are our own addition.
          frames: frames.filter((frame) => frame.kind !== 'marker' && !(frame.kind === 'python' && frame.address < 0)), marker: frames.find((frame) => frame.kind === 'marker')?.name ?? '',
        });
      }
    }
  }
  return out;
}

/** Frames of a stack, leaf first. */
export function framesOf(profile: Profile, stack: StackId): OurFrame[] {
  return profile.stacks.framesOf(stack).reverse().map((frame: FrameId) => {
    const fn: FunctionId = profile.frames.functionOf(frame);
    return {
      address: profile.frames.address.get(frame), library: profile.strings.values[profile.frames.library.get(frame)],
      name: profile.functions.nameOf(fn), rule: FRAME_RULES[profile.frames.rule.get(frame)], kind: profile.functions.kindOf(fn),
    };
  });
}

export interface Comparison {
  samples: number;
  same: number;
  /** perf's stack is a leaf-side part of ours. */
  prefix: number;
  /** Of these: thread's name and the file that perf's last frame lies in, and how often. */
  readonly stops: Map<string, number>;
  /** Frames that perf printed of all samples, and we have of them: how much was compared. */
  depth: { readonly perf: number; readonly ours: number };
  /** How often each cause made a difference. */
  readonly exceptions: Map<string, number>;
  readonly examples: string[];
}

function total(samples: readonly { readonly frames: readonly unknown[] }[]): number {
  return samples.reduce((sum, one) => sum + one.frames.length, 0);
}

/**
 * Lays the samples of one event side by side, sample for sample. `dwarf`: perf prints the byte before a return address, as we
 * keep it; of call chains it prints the return address. perf prints offsets in a file, we keep addresses in the ELF: each
 * library's difference must be one number.
 */
export function compare(reference: RefSample[], ours: OurSample[], dwarf: boolean): Comparison {
  const result: Comparison = { samples: reference.length, same: 0, prefix: 0, stops: new Map(), depth: { perf: total(reference), ours: total(ours) }, exceptions: new Map(), examples: [] };
  const shifts = new Map<string, number>();
  const order = (a: { time: number; tid: number }, b: { time: number; tid: number }) => a.time - b.time || a.tid - b.tid;
  const left = [...reference].sort(order);
  const right = ours.map((sample) => ({ ...sample, time: Math.floor(sample.time / 1000) * 1000 })).sort(order);
  const count = (cause: string, example: string) => {
    result.exceptions.set(cause, (result.exceptions.get(cause) ?? 0) + 1);
    if (result.examples.length < 6) result.examples.push(`${cause}: ${example}`);
  };
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const theirs = left[i];
    const mine = right[i];
    if (theirs === undefined || mine === undefined) {
      count('a sample that the other does not have', JSON.stringify({ theirs: theirs?.time, mine: mine?.time }));
      continue;
    }
    if (theirs.time !== mine.time || theirs.pid !== mine.pid || theirs.tid !== mine.tid) {
      count('another time or thread', `${theirs.time} ${theirs.tid} against ${mine.time} ${mine.tid}`);
      continue;
    }
    if (theirs.comm !== mine.comm) count('another thread name', `${theirs.comm} against ${mine.comm}`);
    let at = 0;
    while (at < theirs.frames.length && at < mine.frames.length && sameFrame(theirs.frames[at], mine.frames[at], dwarf, shifts)) at++;
    if (at < theirs.frames.length) {
      const frame = theirs.frames[at];
      const left = mine.frames[at];
      // libunwind takes what it cannot read for an address of all ones.
      const past = frame.address === 0xffff_ffff_ffff_ffffn && frame.dso === '[unknown]' && (mine.marker === '[truncated]' || left?.rule === 'stitched');
      const cause = past ? 'perf goes on past the end of the copied stack' : left === undefined ? `ours ends, perf goes on (${mine.marker || 'root'})` : frame.dso === '[unknown]' ? 'perf goes on into an unknown address' : 'another frame';
      count(cause, `${theirs.time} frame ${at}: ${frame.address.toString(16)} ${frame.symbol} (${frame.dso}) against ${left === undefined ? '-' : `${left.address.toString(16)} ${left.name} (${left.library}) ${left.rule}`}`);
    } else if (mine.frames.length === theirs.frames.length) result.same++;
    else {
      result.prefix++;
      const stop = `${theirs.comm}: ${basename(theirs.frames.at(-1)?.dso ?? 'no frame')}`;
      result.stops.set(stop, (result.stops.get(stop) ?? 0) + 1);
    }
  }
  return result;
}

function sameFrame(theirs: RefFrame, mine: OurFrame, dwarf: boolean, shifts: Map<string, number>): boolean {
  const kernel = mine.kind === 'kernel';
  const back = mine.rule !== 'leaf' && (kernel || !dwarf) ? 1 : 0;
  const address = mine.address + back;
  if (theirs.dso === '[unknown]') return mine.name === '[unmapped address]';
  if (kernel) return theirs.dso.startsWith('[') && Number(theirs.address & 0xffffffffffffn) === address;
  if (basename(theirs.dso) !== basename(mine.library)) return false;
  const shift = address - Number(theirs.address);
  const known = shifts.get(theirs.dso);
  if (known === undefined) shifts.set(theirs.dso, shift);
  return known === undefined || known === shift;
}

/** Names that differ where both sides name the place; perf's `@@VERSION` is not part of a name. */
export function nameDifferences(reference: RefSample[], ours: OurSample[]): Map<string, number> {
  const found = new Map<string, number>();
  const byKey = new Map(ours.map((sample) => [`${Math.floor(sample.time / 1000)} ${sample.tid} ${sample.event}`, sample]));
  for (const theirs of reference) {
    const mine = byKey.get(`${Math.floor(theirs.time / 1000)} ${theirs.tid} ${theirs.event}`);
    theirs.frames.forEach((frame, i) => {
      const name = frame.symbol.replace(/@.*$/, '');
      const other = mine?.frames[i];
      if (other === undefined || name === '[unknown]' || other.kind === 'kernel' || basename(frame.dso) !== basename(other.library)) return;
      if (other.name.replace(/@.*$/, '') !== name) found.set(`${name} -> ${other.name}`, (found.get(`${name} -> ${other.name}`) ?? 0) + 1);
    });
  }
  return found;
}
