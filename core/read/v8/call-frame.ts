// What V8 calls a function: Runtime.CallFrame of the inspector protocol
// (https://chromedevtools.github.io/devtools-protocol/v8/Runtime/#type-CallFrame). Lines are 0-based; -1 where there is no source.
// A profile of Node 10 and before has the same fields without `callFrame` around them.
import type { FrameId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { FunctionFacts } from '#core/model/tables';
import { FUNCTION_OWN } from '#core/model/tables';
import { isOwnFile } from '#core/native/own-code';
import type { Json, JsonObject } from '../json.ts';
import { asNumber, asText, isObject } from '../json.ts';

export interface CallFrame {
  /** '' for a function without a name. */
  readonly name: string;
  readonly url: string;
  /** 1-based line of the function's beginning, 0 where unknown. */
  readonly line: number;
  /** Made in C++, not in JavaScript: it has no line at all. */
  readonly native: boolean;
}

const LINES = 0x7fff_fffe;

/** The frame of a node, in the new form (`callFrame`) or the old one. */
export function callFrameOf(node: JsonObject): CallFrame {
  const inner = node['callFrame'];
  const facts: JsonObject = isObject(inner) ? inner : node;
  const line = asNumber(facts['lineNumber'], -1);
  return { name: asText(facts['functionName']), url: asText(facts['url']), line: line >= 0 && line < LINES ? Math.floor(line) + 1 : 0, native: line < 0 };
}

/** What V8 was doing where no function of the program ran. */
export type V8State = 'root' | 'program' | 'idle' | 'collector' | 'none';

/** `(program)` and its kin have no file; a function of the program has one, or a line. */
export function stateOf(frame: CallFrame): V8State {
  if (frame.url !== '' || !frame.name.startsWith('(')) return 'none';
  switch (frame.name) {
    case '(root)': return 'root';
    case '(program)': return 'program';
    case '(idle)': return 'idle';
    case '(garbage collector)': return 'collector';
    default: return 'none';
  }
}

const PACKAGE = /^.*\/node_modules\/(?:\.pnpm\/[^/]+\/node_modules\/)?(@[^/]+\/[^/]+|[^/]+)\//;
/** Modules of Node itself as they were named before `node:`. */
const OLD_BUILTIN = /^(?:internal\/[\w./-]+|_?[a-z_0-9]+)\.js$/;

/** A function by its frame. `directory` is where the target runs, for own code; '' = unknown. */
export function v8Function(frame: CallFrame, directory: string): FunctionFacts {
  const name = frame.name === '' ? '(anonymous)' : frame.name;
  const { url } = frame;
  // V8's own work has names in brackets; what is left without a file and a line are functions of Node in C++.
  if (url === '' && frame.native) return { name, library: name.startsWith('(') ? 'v8' : 'node', kind: 'native' };
  if (url.startsWith('node:') || OLD_BUILTIN.test(url)) return { name, file: url, library: 'node', kind: 'javascript' };
  if (url.startsWith('wasm:')) return { name, file: url, library: 'wasm', kind: 'javascript' };
  const file = url.startsWith('file://') ? pathOf(url) : url;
  const library = PACKAGE.exec(file)?.[1] ?? '';
  return { name, file, library, kind: 'javascript', flags: isOwnFile(file, directory) ? FUNCTION_OWN : 0 };
}

function pathOf(url: string): string {
  const path = url.slice('file://'.length).replace(/[?#].*$/s, '');
  try {
    return decodeURIComponent(path);
  } catch {
    // A file name with a bare percent sign stays as it is written.
    return path;
  }
}

/** Frames of one profile by what V8 says of them. */
export class V8Frames {
  readonly #profile: Profile;
  readonly #directory: string;
  readonly #known = new Map<string, FrameId>();

  constructor(profile: Profile, directory: string) {
    this.#profile = profile;
    this.#directory = directory;
  }

  /** `line`: the line that ran, where it is known; else the function's first. */
  id(frame: CallFrame, line = 0): FrameId {
    const at = line > 0 ? line : frame.line;
    const key = `${at}\0${frame.native ? 'n' : ''}${frame.name}\0${frame.url}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.#profile.frames.source(this.#profile.functions.intern(v8Function(frame, this.#directory)), at);
    this.#known.set(key, id);
    return id;
  }
}

/** Whether a value is a node of either form. */
export function isNode(value: Json | undefined): value is JsonObject {
  return isObject(value) && (isObject(value['callFrame']) || typeof value['functionName'] === 'string');
}
