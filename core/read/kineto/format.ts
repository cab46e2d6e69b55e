// Traces of the PyTorch profiler (Kineto): Chrome's trace events with operators, Python functions, CUDA calls and GPU work. Source:
// pytorch/kineto libkineto/src/output_json.cpp; what files of five years look like is in ../shared/CUDA.md, section 2.
import { UserError } from '#core/errors';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from '../format.ts';
import { headText } from '../json-head.ts';
import type { KnownRows } from './rows.ts';
import { TraceRows } from './rows.ts';
import { KinetoTrace } from './trace.ts';

export const kineto: StreamFormat = {
  id: 'kineto',
  title: 'PyTorch profiler trace (Kineto)',
  extensions: ['.pt.trace.json', '.json'],
  input: 'chunks',
  match: matchKineto,
  open: (profile, context) => new KinetoDecoder(profile, context),
};

const EVENTS = /"cat"\s*:\s*"(?:cpu_op|Operator|python_function|user_annotation|gpu_user_annotation|cuda_runtime|cuda_driver|Runtime|kernel|Kernel|gpu_memcpy|gpu_memset|Memcpy|Memset|cpu_instant_event|ac2g|async_cpu_to_gpu|fwdbwd)"/;

function matchKineto(head: Uint8Array): Match {
  const text = headText(head);
  if (text.startsWith('[')) return EVENTS.test(text) ? 'yes' : 'no';
  if (!text.startsWith('{')) return 'no';
  const own = /"schemaVersion"\s*:/.test(text) && /"(?:deviceProperties|distributedInfo|traceEvents)"\s*:/.test(text);
  if (own || /"(?:deviceProperties|distributedInfo|baseTimeNanoseconds)"\s*:/.test(text)) return 'yes';
  return /"traceEvents"\s*:/.test(text) && EVENTS.test(text) ? 'yes' : 'no';
}

/** A first picture after so many bytes, then each time eight times as many were read. */
const FIRST_PICTURE = 16e6;
const NEXT_PICTURE = 8;

class KinetoDecoder implements ChunkDecoder {
  readonly #profile: Profile;
  readonly #trace: KinetoTrace;
  #picture = FIRST_PICTURE;

  constructor(profile: Profile, context: ReadContext) {
    this.#profile = profile;
    profile.info.format = 'kineto';
    profile.info.title ||= context.name;
    profile.info.tool = 'PyTorch profiler';
    profile.touch();
    this.#trace = new KinetoTrace(profile, context.name, new TraceRows(profile, null));
  }

  push(chunk: Uint8Array): void {
    const trace = this.#trace;
    trace.push(chunk);
    if (trace.bytes < this.#picture) return;
    this.#picture = trace.bytes * NEXT_PICTURE;
    // What has come so far; the lanes are filled anew when all is here, since a launch may stand after the work that it asked for.
    const { begins } = trace;
    if (begins !== null) trace.build(begins, true, 'part');
  }

  end(): void {
    this.#trace.endOfBytes();
    finish(this.#profile, [this.#trace], true);
  }
}

/** Traces of several ranks (or one after the other of one) on one clock: they are opened one by one and become lanes together. */
export class KinetoTogether {
  readonly #profile: Profile;
  readonly #traces: KinetoTrace[] = [];

  constructor(profile: Profile) {
    this.#profile = profile;
    profile.info.format = 'kineto';
    profile.info.tool = 'PyTorch profiler';
    profile.touch();
  }

  /** The next file. Its chunks may come while another's do; `end` hands it over. */
  open(name: string): ChunkDecoder {
    const trace = new KinetoTrace(this.#profile, name, new TraceRows(this.#profile, null));
    this.#traces.push(trace);
    return { push: (chunk) => trace.push(chunk), end: () => trace.endOfBytes() };
  }

  /** All files have ended: fills the lanes. Throws UserError where no file held anything. */
  end(): void {
    finish(this.#profile, this.#traces, false);
  }
}

/** What a window brought. */
export interface WindowResult {
  readonly operations: number;
  readonly events: number;
  /** First and last moment, ns since the recording began. */
  readonly start: number;
  readonly end: number;
}

/**
 * Windows of one program that are captured while it is recorded: rows are added to the recording's lanes, its process and thread rows are
 * used where they are known, its time 0 is theirs. Marks of steps and windows are added too; tracks are not (others draw them live).
 */
export class KinetoWindows {
  readonly #profile: Profile;
  readonly #origin: bigint;
  readonly #rows: TraceRows;

  /** `origin`: wall-clock ns of the recording's time 0. `rows` lends process and thread rows. */
  constructor(profile: Profile, origin: bigint, rows: KnownRows) {
    this.#profile = profile;
    this.#origin = origin;
    this.#rows = new TraceRows(profile, rows);
  }

  /** Reads a window's file. Throws UserError where it holds nothing to show. */
  read(name: string, chunks: Iterable<Uint8Array>): WindowResult {
    const trace = new KinetoTrace(this.#profile, name, this.#rows);
    for (const chunk of chunks) trace.push(chunk);
    trace.endOfBytes();
    if (trace.kept === 0) throw new UserError('no-samples', `${name} holds no operator, function or GPU work among ${trace.events} events`);
    const { operations } = trace.build(this.#origin, false, 'window');
    const { start, end } = trace.span(this.#origin);
    return { operations, events: trace.events, start, end };
  }
}

function finish(profile: Profile, traces: readonly KinetoTrace[], again: boolean): void {
  const full = traces.filter((trace) => trace.kept > 0);
  if (full.length === 0) {
    const events = traces.reduce((sum, trace) => sum + trace.events, 0);
    const names = traces.map((trace) => trace.name).join(', ');
    throw new UserError('no-samples', `${names} ${traces.length === 1 ? 'holds' : 'hold'} no operator, function or GPU work among ${events} events`, {
      hint: events === 0 ? 'Was the trace written to its end?' : '',
    });
  }
  for (const trace of traces) if (trace.kept === 0) profile.skip(`${trace.name}: no operator, function or GPU work in it`);
  let origin = full[0].begins ?? 0n;
  for (const trace of full) if (trace.begins !== null && trace.begins < origin) origin = trace.begins;
  let operations = 0;
  for (const trace of full) operations += trace.build(origin, again, 'file').operations;
  const milliseconds = Number(origin / 1000n) / 1000;
  // Older traces count from the machine's start, which is no date.
  if (milliseconds > 1e12 && milliseconds < 1e13) profile.info.startedAt = milliseconds;
  const header = full[0].header;
  profile.info.host ||= header.host;
  if (header.cuda !== '') profile.info.tool = `PyTorch profiler, CUDA ${header.cuda}`;
  const names = [...new Set(full.flatMap((trace) => [...trace.header.devices.values()]))];
  if (names.length > 0 && operations > 0) profile.info.notes.push(`GPU: ${names.join(', ')}`);
  if (operations === 0) profile.info.notes.push('The trace has no GPU work. Shown is what its threads did: wall-clock time of Python functions and operators, not CPU time.');
  profile.touch();
}
