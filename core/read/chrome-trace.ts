// Chrome's trace events as py-spy's `--format chrometrace` writes them (begin and end events), and complete (`X`) events:
// "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU. A list may break off
// after any event: what is whole is kept.
import { UserError } from '#core/errors';
import type { ProcessId, StackId, ThreadId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import type { ChunkDecoder, Match, ReadContext, StreamFormat } from './format.ts';
import { headText } from './json-head.ts';
import type { Json, JsonObject } from './json.ts';
import { asArray, asNumber, asText, isObject, JsonCollector, parseJson } from './json.ts';
import { sourceFunction } from './source-function.ts';

export const chromeTrace: StreamFormat = {
  id: 'chrome-trace',
  title: 'Chrome trace JSON',
  extensions: ['.trace.json', '.chrometrace.json', '.json'],
  input: 'chunks',
  match: matchChromeTrace,
  open: (profile, context) => new ChromeTraceDecoder(profile, context),
};

function matchChromeTrace(head: Uint8Array): Match {
  const text = headText(head);
  if (text.startsWith('{')) return /"traceEvents"\s*:\s*\[/.test(text) ? 'yes' : 'no';
  if (!text.startsWith('[')) return 'no';
  return /"ph"\s*:\s*"[A-Za-z()]"/.test(text) ? 'yes' : 'no';
}

interface Begin { at: number; event: JsonObject; end: number }
interface End { at: number; name: string }

interface ThreadEvents {
  readonly pid: string;
  readonly tid: string;
  readonly begins: Begin[];
  readonly ends: End[];
}

class ChromeTraceDecoder implements ChunkDecoder {
  #profile: Profile;
  #name: string;
  #json = new JsonCollector();
  #threads = new Map<string, ThreadEvents>();
  #processNames = new Map<string, string>();
  #threadNames = new Map<string, string>();
  #processes = new Map<string, ProcessId>();
  #first = Infinity;
  #last = -Infinity;

  constructor(profile: Profile, context: ReadContext) {
    this.#profile = profile;
    this.#name = context.name;
    profile.info.format = 'chrome-trace';
    profile.info.title ||= context.name;
    profile.touch();
  }

  push(chunk: Uint8Array): void {
    this.#json.push(chunk);
  }

  end(): void {
    const events = this.#parse();
    let pySpy = 0;
    for (const event of events) {
      if (!isObject(event)) { this.#profile.skip('events that are no objects'); continue; }
      if (event['cat'] === 'py-spy') pySpy++;
      this.#sort(event);
    }
    const isPySpy = pySpy * 2 > events.length;
    this.#profile.info.tool = isPySpy ? 'py-spy' : 'trace events';
    this.#profile.touch();
    const threads = [...this.#threads.values()].filter((thread) => thread.begins.length > 0);
    if (threads.length === 0) throw new UserError('no-samples', `${this.#name} holds no begin, end or complete event among ${events.length} events`);
    const lane = this.#profile.lanes[this.#profile.addLane({
      kind: 'cpu', unit: 'ns', name: isPySpy ? 'py-spy' : 'trace', source: isPySpy ? 'py-spy, Chrome trace' : 'Chrome trace', intervals: true,
    })];
    for (const thread of threads) this.#replay(thread, lane);
    this.#profile.reach(ns(Math.max(0, this.#last - this.#first) * 1e3));
  }

  #parse(): readonly Json[] {
    const text = this.#json.text();
    let value: Json;
    try {
      value = parseJson(text, this.#name);
    } catch (error) {
      // A trace that was still being written: everything up to the last whole event is kept.
      const cut = text.lastIndexOf('}');
      const start = text.trimStart();
      if (cut < 0 || !(error instanceof UserError)) throw error;
      const repaired = wholeEvents(text);
      if (repaired === null) throw error;
      this.#profile.skip(start.startsWith('[') && /[\]},\s]$/.test(text) ? 'missing end of the event list (kept as it is)' : 'event that breaks off at the end');
      value = repaired;
    }
    if (Array.isArray(value)) return value as readonly Json[];
    return isObject(value) ? asArray(value['traceEvents']) : [];
  }

  #sort(event: JsonObject): void {
    const phase = asText(event['ph']);
    const pid = asText(event['pid']);
    const tid = asText(event['tid']);
    const key = `${pid}\0${tid}`;
    if (phase === 'M') {
      const args = event['args'];
      const name = isObject(args) ? asText(args['name']) : '';
      if (event['name'] === 'process_name') this.#processNames.set(pid, name);
      else if (event['name'] === 'thread_name') this.#threadNames.set(key, name);
      return;
    }
    if (phase !== 'B' && phase !== 'E' && phase !== 'X') return this.#profile.skip(`events of phase "${phase.slice(0, 8)}" (no calls)`);
    const at = asNumber(event['ts'], NaN);
    if (Number.isNaN(at)) return this.#profile.skip('events without a time');
    let thread = this.#threads.get(key);
    if (thread === undefined) this.#threads.set(key, (thread = { pid, tid, begins: [], ends: [] }));
    if (at < this.#first) this.#first = at;
    let end = at;
    if (phase === 'E') {
      thread.ends.push({ at, name: asText(event['name']) });
    } else if (phase === 'X') {
      end = at + Math.max(0, asNumber(event['dur'], asNumber(event['tdur'], 0)));
      thread.begins.push({ at, event, end });
      thread.ends.push({ at: end, name: asText(event['name']) });
    } else {
      thread.begins.push({ at, event, end: Infinity });
    }
    if (end > this.#last) this.#last = end;
  }

  /** Begins and ends of one thread in time order, as a stack machine; a row for every stretch with the same stack. */
  #replay({ pid, tid, begins, ends }: ThreadEvents, lane: Lane): void {
    const { stacks, frames, functions } = this.#profile;
    const thread = this.#thread(pid, tid);
    // Of calls that begin together the longer is the caller; else the order of the file stands.
    begins.sort((a, b) => a.at - b.at || (a.end === Infinity || b.end === Infinity ? 0 : b.end - a.end));
    ends.sort((a, b) => a.at - b.at);
    const open: { name: string; stack: StackId }[] = [];
    let now = 0;
    const moveTo = (at: number) => {
      if (open.length > 0 && at > now) {
        const weight = (at - now) * 1e3;
        lane.push((now - this.#first) * 1e3, thread, open[open.length - 1].stack, weight, 1, weight);
      }
      now = at;
    };
    let b = 0, e = 0;
    while (b < begins.length || e < ends.length) {
      const begin = begins[b];
      const end = ends[e];
      const top = open[open.length - 1];
      // At the same time an end comes first where its call is open on top; else the call that it ends begins first.
      if (end !== undefined && (begin === undefined || end.at < begin.at || (end.at === begin.at && top !== undefined && (end.name === '' || end.name === top.name)))) {
        e++;
        moveTo(end.at);
        let depth = open.length - 1;
        if (end.name !== '') while (depth >= 0 && open[depth].name !== end.name) depth--;
        if (depth < 0) { this.#profile.skip('ends of calls that had not begun'); continue; }
        if (depth < open.length - 1) {
          this.#profile.skip('calls that ended before their callees (those were ended too)', open.length - 1 - depth);
        }
        open.length = depth;
        continue;
      }
      if (begin === undefined) break;
      b++;
      moveTo(begin.at);
      const args = begin.event['args'];
      const name = asText(begin.event['name']);
      const file = isObject(args) ? asText(args['filename']) : '';
      const line = isObject(args) && file !== '' ? asNumber(args['line'], 0) : 0;
      const fn = functions.intern(sourceFunction(name === '' ? '[unnamed]' : name, file));
      const frame = frames.source(fn, line > 0 && line < 0x7fffffff ? Math.floor(line) : 0);
      open.push({ name, stack: stacks.intern(top?.stack ?? NO_STACK, frame) });
    }
    if (open.length > 0) {
      this.#profile.skip('calls without an end (ended with the trace)', open.length);
      moveTo(this.#last);
    }
  }

  #thread(pid: string, tid: string): ThreadId {
    let process = this.#processes.get(pid);
    const number = (text: string, fallback: number) => (/^\d+$/.test(text) && Number(text) <= 0x7fffffff ? Number(text) : fallback);
    if (process === undefined) {
      const name = this.#processNames.get(pid) ?? (pid === '' ? 'process' : `process ${pid}`);
      process = this.#profile.processes.add({ pid: number(pid, this.#processes.size), name });
      this.#processes.set(pid, process);
    }
    const name = this.#threadNames.get(`${pid}\0${tid}`) ?? (tid === '' ? '' : `thread ${tid}`);
    return this.#profile.threads.add({ process, tid: number(tid, this.#profile.threads.length + 1), name });
  }
}

/** The events of a list that breaks off, up to the last one that is whole; null where there is none. */
function wholeEvents(text: string): Json | null {
  const start = text.indexOf('[');
  let end = text.lastIndexOf('}');
  // The last brace may close an inner object: go back a few until the list is whole.
  for (let tries = 0; end > start && start >= 0 && tries < Math.max(4, 64 - text.length / 1e6); tries++) {
    try {
      return JSON.parse(`${text.slice(start, end + 1)}]`) as Json;
    } catch {
      end = text.lastIndexOf('}', end - 1);
    }
  }
  return null;
}
