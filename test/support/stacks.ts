// Profiles as text in, trees as text out, so that a test reads as a picture.
//
//     main;fetch;decode 5                       root first, then the weight (1 where it is left out)
//     main;fetch;decode 5/2                     ... a weight of 5 that two samples stand for
//     10 | main;fetch 5                         at time 10 (ns)
//     10+20 worker | main;read 20               an interval of 20 from 10, in the thread `worker`
//     20 worker@train | main                    ... of the process `train`
//     12 | 3                                    no stack at all
//
// A frame is a name, then any of `@file.py:12`, `#library`, `~kind`, `!` (own code): `load @data.py:27 #torch ~python !`.
// `outer > inner` is one frame with a function inlined in it.
import type { CallTree } from '#core/analyze/call-tree';
import { orderedChildren } from '#core/analyze/layout';
import type { FrameId, FunctionId, ProcessId, ThreadId } from '#core/model/ids';
import { NO_STACK, ns } from '#core/model/ids';
import type { InlinedCall } from '#core/model/tables';
import { FUNCTION_KINDS, FUNCTION_OWN } from '#core/model/tables';
import type { Lane, LaneFacts } from '#core/model/lane';
import { Profile } from '#core/model/profile';

export interface Stacks {
  readonly profile: Profile;
  readonly lane: Lane;
}

/** A profile of one lane from text. Throws where a line cannot be read. */
export function stacks(text: string, facts: Partial<LaneFacts> = {}): Stacks {
  const profile = new Profile();
  const lane = profile.lanes[profile.addLane({ kind: 'cpu', unit: 'ns', name: 'test', ...facts })];
  addStacks({ profile, lane }, text);
  return { profile, lane };
}

/** More rows for a profile that is already there. */
export function addStacks({ profile, lane }: Stacks, text: string): void {
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '') continue;
    const bar = line.indexOf('|');
    const head = bar < 0 ? '' : line.slice(0, bar).trim();
    const rest = (bar < 0 ? line : line.slice(bar + 1)).trim();
    const number = /(?:^|\s)(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(rest);
    const path = number === null ? rest : rest.slice(0, number.index).trim();
    const weight = number === null ? 1 : Number(number[1]);
    const when = /^(\d+(?:\.\d+)?)?(?:\+(\d+(?:\.\d+)?))?\s*(.*)$/.exec(head);
    if (when === null) throw new Error(`cannot read "${head}"`);
    const thread = threadOf(profile, when[3] || 'main');
    const frames = path === '' ? [] : path.split(';').map((frame) => frameOf(profile, frame));
    const stack = path === '' ? NO_STACK : profile.stacks.internAll(frames);
    lane.add({
      time: ns(Number(when[1] ?? 0)), duration: ns(Number(when[2] ?? 0)), thread, stack, weight,
      count: number?.[2] === undefined ? 1 : Number(number[2]),
    });
  }
}

/** The function row of a frame's text, made if new. */
export function functionOf(profile: Profile, text: string): FunctionId {
  return readFrame(profile, text).fn;
}

/** The row of a source frame's text, made if new. */
export function frameOf(profile: Profile, text: string): FrameId {
  const [outer, ...inner] = text.split(' > ');
  const { fn, line } = readFrame(profile, outer);
  if (inner.length === 0) return profile.frames.source(fn, line);
  // Inlined functions belong to an address: one for each text.
  const frame = profile.frames.native(profile.strings.intern('/inlined'), profile.strings.intern(text), 'leaf', fn);
  const calls: InlinedCall[] = inner.map((call) => {
    const read = readFrame(profile, call);
    return { function: read.fn, line: read.line };
  });
  if (!profile.frames.inlined.has(frame)) profile.frames.setFunction(frame, fn, line, calls);
  return frame;
}

function readFrame(profile: Profile, text: string): { fn: FunctionId; line: number } {
  const name: string[] = [];
  let file = '';
  let line = 0;
  let library = '';
  let kind: (typeof FUNCTION_KINDS)[number] = 'native';
  let flags = 0;
  for (const word of text.trim().split(' ')) {
    if (word === '!') flags = FUNCTION_OWN;
    else if (word.startsWith('@')) {
      const at = /^@(.*?)(?::(\d+))?$/.exec(word);
      file = at?.[1] ?? '';
      line = Number(at?.[2] ?? 0);
    } else if (word.startsWith('#') && word.length > 1) library = word.slice(1);
    else if (word.startsWith('~') && word.length > 1) {
      const known = FUNCTION_KINDS.find((candidate) => candidate === word.slice(1));
      if (known === undefined) throw new Error(`no kind of function is called "${word.slice(1)}"`);
      kind = known;
    } else name.push(word);
  }
  return { fn: profile.functions.intern({ name: name.join(' '), file, library, kind, flags }), line };
}

function threadOf(profile: Profile, text: string): ThreadId {
  const [name, processName = 'process'] = text.split('@');
  const { threads, processes } = profile;
  let process = -1;
  for (let row = 0; row < processes.length; row++) if (processes.nameOf(row as ProcessId) === processName) process = row;
  if (process < 0) process = processes.add({ pid: 100 + processes.length, name: processName });
  for (let row = 0; row < threads.length; row++) {
    if (threads.process.get(row) === process && threads.nameOf(row as ThreadId) === name) return row as ThreadId;
  }
  return threads.add({ process: process as ProcessId, tid: 100 + threads.length, name });
}

/**
 * A tree as text: name, total, and its own weight in brackets where it has some; two spaces a level, siblings by name.
 * Nodes without weight are left out.
 */
export function treeText(tree: CallTree, extra: (node: number) => string = () => ''): string {
  const lines: string[] = [];
  const todo = [...orderedChildren(tree, -1, 'alphabetical')].reverse();
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    const self = tree.self(node);
    const indent = '  '.repeat(tree.depth(node));
    lines.push(`${indent}${tree.refOf(node).name} ${tree.totalOf(node)}${self === 0 ? '' : ` (${self})`}${extra(node)}`);
    todo.push(...[...orderedChildren(tree, node, 'alphabetical')].reverse());
  }
  return lines.join('\n');
}

/** Text of a test without the indentation that its place in the code gives it. */
export function picture(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const indent = Math.min(...lines.map((line) => line.length - line.trimStart().length));
  return lines.map((line) => line.slice(indent).trimEnd()).join('\n');
}
