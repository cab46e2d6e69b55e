import { Float64Column, Int32Column, RowIndex, hash2 } from './column.ts';
import type { FrameId, FunctionId, ProcessId, StackId, StringId, ThreadId } from './ids.ts';
import { NO_PROCESS, NO_STACK } from './ids.ts';

/** Interned strings. Row 0 is ''. */
export class StringTable {
  readonly values: string[] = [''];
  #rows = new Map<string, StringId>([['', 0 as StringId]]);

  get length(): number {
    return this.values.length;
  }

  intern(value: string): StringId {
    const known = this.#rows.get(value);
    if (known !== undefined) return known;
    const id = this.values.length as StringId;
    this.values.push(value);
    this.#rows.set(value, id);
    return id;
  }

  get(id: StringId): string {
    return this.values[id];
  }
}

/**
 * What a function is, for colour and for "my code". `marker` is for frames that we add, such as `[truncated]`.
 * The order is the wire format: only append.
 */
export const FUNCTION_KINDS = [
  'unknown', 'python', 'native', 'kernel', 'rust', 'cuda', 'gpu-copy', 'javascript', 'java', 'interpreter', 'marker',
] as const;
export type FunctionKind = (typeof FUNCTION_KINDS)[number];

/** Which rule found a frame. The order is the wire format: only append. */
export const FRAME_RULES = [
  'given', 'leaf', 'call-chain', 'eh-frame', 'saved-bp', 'trampoline', 'scan', 'stitched',
] as const;
export type FrameRule = (typeof FRAME_RULES)[number];

/** Bits of FunctionTable.flags. */
export const FUNCTION_OWN = 1;
/** The name is only an address so far: a later patch may bring the real one. */
export const FUNCTION_UNNAMED = 2;

export interface FunctionFacts {
  readonly name: string;
  /** Source file as the profiler gave it; '' where unknown. */
  readonly file?: string;
  /** File name of the ELF object, Python top package, or [kernel]; '' where unknown. */
  readonly library?: string;
  readonly kind: FunctionKind;
  readonly flags?: number;
}

/** Functions: what call trees merge by. Append-only; a row never changes. */
export class FunctionTable {
  readonly name = new Int32Column();
  readonly file = new Int32Column();
  readonly library = new Int32Column();
  readonly kind = new Int32Column();
  readonly flags = new Int32Column();
  #strings: StringTable;
  #index = new RowIndex();
  /** Rows already in the index; rows that came by delta are indexed when they are first needed. */
  #indexed = 0;

  constructor(strings: StringTable) {
    this.#strings = strings;
  }

  get length(): number {
    return this.name.length;
  }

  /** The row of (name, file, library, kind, flags), made if new. */
  intern(facts: FunctionFacts): FunctionId {
    const name = this.#strings.intern(facts.name);
    const file = this.#strings.intern(facts.file ?? '');
    const library = this.#strings.intern(facts.library ?? '');
    const kind = FUNCTION_KINDS.indexOf(facts.kind);
    const flags = facts.flags ?? 0;
    for (; this.#indexed < this.length; this.#indexed++) this.#addToIndex(this.#indexed);
    const hash = hash2(hash2(name, file), hash2(library, kind * 8 + flags));
    for (let slot = this.#index.first(hash); ; slot = this.#index.next(slot)) {
      const row = this.#index.row(slot);
      if (row < 0) {
        this.#index.put(slot, hash, this.length);
        this.#indexed = this.length + 1;
        this.name.push(name);
        this.file.push(file);
        this.library.push(library);
        this.kind.push(kind);
        return this.flags.push(flags) as FunctionId;
      }
      if (
        this.name.get(row) === name && this.file.get(row) === file && this.library.get(row) === library &&
        this.kind.get(row) === kind && this.flags.get(row) === flags
      ) return row as FunctionId;
    }
  }

  nameOf(id: FunctionId): string {
    return this.#strings.values[this.name.get(id)];
  }

  fileOf(id: FunctionId): string {
    return this.#strings.values[this.file.get(id)];
  }

  libraryOf(id: FunctionId): string {
    return this.#strings.values[this.library.get(id)];
  }

  kindOf(id: FunctionId): FunctionKind {
    return FUNCTION_KINDS[this.kind.get(id)] ?? 'unknown';
  }

  isOwn(id: FunctionId): boolean {
    return (this.flags.get(id) & FUNCTION_OWN) !== 0;
  }

  #addToIndex(row: number): void {
    const hash = hash2(
      hash2(this.name.get(row), this.file.get(row)),
      hash2(this.library.get(row), this.kind.get(row) * 8 + this.flags.get(row)),
    );
    let slot = this.#index.first(hash);
    while (this.#index.row(slot) >= 0) slot = this.#index.next(slot);
    this.#index.put(slot, hash, row);
  }
}

/** A function that the compiler inlined at a frame's address, caller side first. */
export interface InlinedCall {
  readonly function: FunctionId;
  readonly line: number;
}

/**
 * Frames: a place in a function. Native frames are keyed by (library, address, rule), so that a name that arrives late
 * changes a frame's function (`setFunction`) and never a stack's id. Source frames are keyed by (function, line).
 */
export class FrameTable {
  readonly function = new Int32Column();
  /** Source line, 0 where unknown. */
  readonly line = new Int32Column();
  /** Address in the library's file (virtual address of the ELF), -1 for source frames. */
  readonly address = new Float64Column();
  /** String row of the library's path, 0 for source frames. */
  readonly library = new Int32Column();
  readonly rule = new Int32Column();
  /** Inlined calls by frame, between the frame's own function (outermost) and its callee. Most frames have none. */
  readonly inlined = new Map<FrameId, readonly InlinedCall[]>();
  /** Rows whose function, line or inlined list changed after they were made, in order of change. */
  readonly changes = new Int32Column();
  #index = new RowIndex();
  #indexed = 0;

  get length(): number {
    return this.function.length;
  }

  /** A frame known by its source place. `line` 0 means unknown. */
  source(fn: FunctionId, line = 0): FrameId {
    return this.#intern(fn, line, -1, 0, 0);
  }

  /** A frame known by its address; `fn` is taken only when the frame is new. */
  native(library: StringId, address: number, rule: FrameRule, fn: FunctionId): FrameId {
    return this.#intern(fn, 0, address, library, FRAME_RULES.indexOf(rule));
  }

  /** Patches what a frame means: a name or line that arrived late, or what was inlined at its address. */
  setFunction(frame: FrameId, fn: FunctionId, line = 0, inlined: readonly InlinedCall[] = []): void {
    this.function.set(frame, fn);
    this.line.set(frame, line);
    if (inlined.length > 0) this.inlined.set(frame, inlined);
    else this.inlined.delete(frame);
    this.changes.push(frame);
  }

  functionOf(frame: FrameId): FunctionId {
    return this.function.get(frame) as FunctionId;
  }

  #intern(fn: FunctionId, line: number, address: number, library: number, rule: number): FrameId {
    for (; this.#indexed < this.length; this.#indexed++) this.#addToIndex(this.#indexed);
    const hash = frameHash(fn, line, address, library, rule);
    for (let slot = this.#index.first(hash); ; slot = this.#index.next(slot)) {
      const row = this.#index.row(slot);
      if (row < 0) {
        this.#index.put(slot, hash, this.length);
        this.#indexed = this.length + 1;
        this.line.push(line);
        this.address.push(address);
        this.library.push(library);
        this.rule.push(rule);
        return this.function.push(fn) as FrameId;
      }
      if (this.address.get(row) !== address || this.library.get(row) !== library || this.rule.get(row) !== rule) continue;
      if (address >= 0 || (this.function.get(row) === fn && this.line.get(row) === line)) return row as FrameId;
    }
  }

  #addToIndex(row: number): void {
    const hash = frameHash(this.function.get(row), this.line.get(row), this.address.get(row), this.library.get(row), this.rule.get(row));
    let slot = this.#index.first(hash);
    while (this.#index.row(slot) >= 0) slot = this.#index.next(slot);
    this.#index.put(slot, hash, row);
  }
}

function frameHash(fn: number, line: number, address: number, library: number, rule: number): number {
  if (address < 0) return hash2(fn, line);
  return hash2(hash2(address % 0x1_0000_0000, address / 0x1_0000_0000), hash2(library, rule));
}

/** Stacks: (caller stack, frame). A caller always has the smaller row, so sums over callers are one reverse loop. */
export class StackTable {
  readonly prefix = new Int32Column(1024);
  readonly frame = new Int32Column(1024);
  #index = new RowIndex();
  #indexed = 0;

  get length(): number {
    return this.prefix.length;
  }

  /** The stack of `frame` called by `prefix` (NO_STACK for a root), made if new. */
  intern(prefix: StackId, frame: FrameId): StackId {
    for (; this.#indexed < this.length; this.#indexed++) this.#addToIndex(this.#indexed);
    const hash = hash2(prefix, frame);
    const index = this.#index;
    for (let slot = index.first(hash); ; slot = index.next(slot)) {
      const row = index.row(slot);
      if (row < 0) {
        if (prefix >= this.length) throw new Error(`broken invariant: caller ${prefix} of a new stack ${this.length}`);
        index.put(slot, hash, this.length);
        this.#indexed = this.length + 1;
        this.prefix.push(prefix);
        return this.frame.push(frame) as StackId;
      }
      if (this.prefix.get(row) === prefix && this.frame.get(row) === frame) return row as StackId;
    }
  }

  /** A whole stack from its frames, root first. NO_STACK when there are none. */
  internAll(framesRootFirst: Iterable<FrameId>): StackId {
    let stack: StackId = NO_STACK;
    for (const frame of framesRootFirst) stack = this.intern(stack, frame);
    return stack;
  }

  /** Frames of a stack, root first. */
  framesOf(stack: StackId): FrameId[] {
    const frames: FrameId[] = [];
    for (let at: number = stack; at >= 0; at = this.prefix.get(at)) frames.push(this.frame.get(at) as FrameId);
    return frames.reverse();
  }

  #addToIndex(row: number): void {
    const hash = hash2(this.prefix.get(row), this.frame.get(row));
    let slot = this.#index.first(hash);
    while (this.#index.row(slot) >= 0) slot = this.#index.next(slot);
    this.#index.put(slot, hash, row);
  }
}

export interface ProcessFacts {
  readonly pid: number;
  /** Start time in clock ticks since boot (field 22 of /proc/PID/stat), 0 where unknown. */
  readonly start?: number;
  readonly parent?: ProcessId;
  readonly name: string;
  readonly command?: string;
  /** Rank in a distributed run, -1 where there is none. */
  readonly rank?: number;
}

/** What is known of a process besides what its own stream says. */
export interface ProcessKnown {
  readonly name: string;
  readonly command: string;
  /** -1 where there is none. */
  readonly rank: number;
  /** pid of the process that started it; absent where that is not known. */
  readonly parent?: number;
}

/** Processes. A row may be completed later (name, command); `changes` names the rows that were. */
export class ProcessTable {
  readonly pid = new Int32Column();
  readonly start = new Float64Column();
  readonly parent = new Int32Column();
  readonly name = new Int32Column();
  readonly command = new Int32Column();
  readonly rank = new Int32Column();
  readonly changes = new Int32Column();
  /**
   * Asked for every new row: a decoder knows what its stream says, the machine that the process runs on knows its rank and its name too. null where
   * nothing is known.
   */
  known: ((pid: number) => ProcessKnown | null) | null = null;
  #strings: StringTable;
  /** The newest row of each pid that was added here; rows that came by delta are not in it. */
  #rows = new Map<number, ProcessId>();

  constructor(strings: StringTable) {
    this.#strings = strings;
  }

  get length(): number {
    return this.pid.length;
  }

  add(given: ProcessFacts): ProcessId {
    const known = this.known?.(given.pid) ?? null;
    const facts = known === null ? given : {
      ...given, rank: given.rank ?? known.rank, command: given.command ?? known.command,
      // A decoder that has no name gives the number.
      name: given.name === '' || given.name === `process ${given.pid}` ? known.name || given.name : given.name,
    };
    this.pid.push(facts.pid);
    this.start.push(facts.start ?? 0);
    // A stream that begins with processes that were there does not say who started them.
    const parent = facts.parent ?? NO_PROCESS;
    this.parent.push(parent !== NO_PROCESS || known?.parent === undefined ? parent : this.#rows.get(known.parent) ?? NO_PROCESS);
    this.name.push(this.#strings.intern(facts.name));
    this.command.push(this.#strings.intern(facts.command ?? ''));
    const row = this.rank.push(facts.rank ?? -1) as ProcessId;
    this.#rows.set(facts.pid, row);
    return row;
  }

  rename(row: ProcessId, name: string, command?: string): void {
    this.name.set(row, this.#strings.intern(name));
    if (command !== undefined) this.command.set(row, this.#strings.intern(command));
    this.changes.push(row);
  }

  nameOf(row: ProcessId): string {
    return this.#strings.values[this.name.get(row)];
  }
}

export interface ThreadFacts {
  readonly process: ProcessId;
  readonly tid: number;
  readonly name: string;
  /** How many threads had this (pid, tid) before in this recording: exec and reuse of a tid make a new row. */
  readonly generation?: number;
}

/**
 * Threads. `onCpu`, `waiting` (runnable, no CPU) and `blocked` are exact ns from switch records, -1 where not known;
 * they and the name may change, and `changes` names the rows that did.
 */
export class ThreadTable {
  readonly process = new Int32Column();
  readonly tid = new Int32Column();
  readonly generation = new Int32Column();
  readonly name = new Int32Column();
  readonly onCpu = new Float64Column();
  readonly waiting = new Float64Column();
  readonly blocked = new Float64Column();
  readonly changes = new Int32Column();
  #strings: StringTable;

  constructor(strings: StringTable) {
    this.#strings = strings;
  }

  get length(): number {
    return this.tid.length;
  }

  add(facts: ThreadFacts): ThreadId {
    this.process.push(facts.process);
    this.tid.push(facts.tid);
    this.generation.push(facts.generation ?? 0);
    this.name.push(this.#strings.intern(facts.name));
    this.onCpu.push(-1);
    this.waiting.push(-1);
    return this.blocked.push(-1) as ThreadId;
  }

  rename(row: ThreadId, name: string): void {
    const id = this.#strings.intern(name);
    if (this.name.get(row) === id) return;
    this.name.set(row, id);
    this.changes.push(row);
  }

  /** Exact times so far, in ns; -1 leaves a column as it is. */
  setTimes(row: ThreadId, onCpu: number, waiting: number, blocked: number): void {
    if (onCpu >= 0) this.onCpu.set(row, onCpu);
    if (waiting >= 0) this.waiting.set(row, waiting);
    if (blocked >= 0) this.blocked.set(row, blocked);
    this.changes.push(row);
  }

  nameOf(row: ThreadId): string {
    return this.#strings.values[this.name.get(row)];
  }
}
