import type { FrameId } from '#core/model/ids';
import { FRAME_RULES } from '#core/model/tables';
import type { AddressSpaces, Space } from './address-space.ts';
import type { Row } from './cfi.ts';
import { BP, BX, EXPRESSION, OFFSET, RA, REGISTER, REGISTER_COUNT, SP, UNDEFINED, VAL_EXPRESSION, VAL_OFFSET } from './cfi.ts';
import type { CodeModule, Site } from './code-module.ts';
import { ElfModule } from './elf-module.ts';
import { evaluate } from './expression.ts';
import { BadBinary } from './file-view.ts';
import { JitModule } from './jit-module.ts';

/** User registers of a sample: u64 as numbers. Those beyond 2^53 have lost bits; they are never valid addresses. */
export interface Registers { ip: number; sp: number; bp: number; bx: number; r12: number; r13: number; r14: number; r15: number }

/** Reached the outermost frame | the copied stack ended | no rule applied. */
export type StackEnd = 'root' | 'truncated' | 'lost';

/** Looks at each frame as it is unwound. */
export interface FrameWatch {
  /**
   * Appends the frames that this one stands for too, leaf first: they are put on its leaf side. `registers` are those of the
   * frame, by their DWARF numbers, NaN where not known; `word` reads 8 bytes of the copied stack, NaN outside it.
   */
  at(space: Space, frame: FrameId, leaf: boolean, registers: Float64Array, word: (address: number) => number, into: FrameId[]): void;
}

const FRAME_LIMIT = 512;
const SCAN_BYTES = 4096;
/** No frame of a JIT is larger; bounds how far a saved frame pointer may point. */
const FRAME_BYTES = 1 << 20;
/** Threads whose last stack is kept. */
const THREAD_LIMIT = 20_000;

const LEAF = FRAME_RULES.indexOf('leaf');
const EH_FRAME = FRAME_RULES.indexOf('eh-frame');
const SAVED_BP = FRAME_RULES.indexOf('saved-bp');
const TRAMPOLINE = FRAME_RULES.indexOf('trampoline');
const SCAN = FRAME_RULES.indexOf('scan');
const STITCHED = FRAME_RULES.indexOf('stitched');

/** The last stack of a thread that reached its root: where each frame began, leaf first. */
interface LastStack {
  length: number;
  sps: Float64Array;
  pcs: Float64Array;
  frames: Int32Array;
}

/**
 * Unwinds copied stacks of x86-64. Per frame, in this order: .eh_frame; a saved frame pointer whose return address
 * follows a call; the trampoline of `python -X perf`; a scan for a return address with .eh_frame. The order is measured:
 * with the scan before the frame pointer, one of 758 Node stacks reached its root; in this order 757 did. A trampoline that the
 * perf map names goes before the frame pointer, for its rule is certain.
 */
export class Unwinder {
  readonly ends: { root: number; truncated: number; lost: number; stitched: number } = { root: 0, truncated: 0, lost: 0, stitched: 0 };
  #spaces: AddressSpaces;
  #watch: FrameWatch | null;
  /** What the watch said of the frames, and by depth where that ends. */
  readonly #beside: FrameId[] = [];
  readonly #besideEnds = new Int32Array(FRAME_LIMIT);
  readonly #word = (address: number): number => this.#peek(address);
  #last = new Map<number, LastStack>();
  #sps = new Float64Array(FRAME_LIMIT);
  #pcs = new Float64Array(FRAME_LIMIT);
  #registers = new Float64Array(REGISTER_COUNT);
  #next = new Float64Array(REGISTER_COUNT);
  #stack: DataView = new DataView(new ArrayBuffer(0));
  #sp = 0;
  #end = 0;
  /** The last read was beyond the copied bytes. */
  #beyond = false;
  #rule = 0;
  #signal = false;

  constructor(spaces: AddressSpaces, watch: FrameWatch | null = null) {
    this.#spaces = spaces;
    this.#watch = watch;
  }

  /**
   * Fills `into` with the frames, leaf first. `stack` is the copied stack, its first byte at regs.sp. Where the copy ends
   * too early, the callers of the same place in this thread's last whole stack are taken (rule `stitched`).
   */
  unwind(pid: number, tid: number, regs: Registers, stack: Uint8Array, into: FrameId[]): StackEnd {
    into.length = 0;
    const space = this.#spaces.space(pid);
    const r = this.#registers;
    r.fill(NaN);
    r[BX] = regs.bx;
    r[BP] = regs.bp;
    // No stack lies beyond 2^53: addresses are not exact there, and steps of 8 bytes would stand still. Without a stack
    // pointer every read fails, so that the leaf is all there is.
    const exact = regs.sp >= 0 && regs.sp + stack.length < Number.MAX_SAFE_INTEGER;
    r[SP] = exact ? regs.sp : NaN;
    r[12] = regs.r12;
    r[13] = regs.r13;
    r[14] = regs.r14;
    r[15] = regs.r15;
    r[RA] = regs.ip;
    this.#stack = new DataView(stack.buffer, stack.byteOffset, stack.byteLength);
    this.#sp = exact ? regs.sp : 0;
    this.#end = exact ? regs.sp + stack.length : 0;
    this.#rule = LEAF;
    this.#signal = true;
    let depth = 0;
    let end: StackEnd = 'lost';
    const beside = this.#beside;
    beside.length = 0;
    const counts = this.#spaces.stats.framesByRule;
    while (depth < FRAME_LIMIT) {
      const pc = r[RA];
      const lookup = this.#signal ? pc : pc - 1;
      const range = this.#spaces.locate(space, lookup);
      this.#sps[depth] = r[SP];
      this.#pcs[depth] = pc;
      depth++;
      this.#besideEnds[depth - 1] = beside.length;
      counts[this.#rule]++;
      if (range === null) {
        into.push(this.#spaces.unmappedFrame(lookup, FRAME_RULES[this.#rule]));
        if (depth > 1 || !this.#callIntoNowhere(space)) break;
        continue;
      }
      const module = range.module as CodeModule;
      const site = module.site(lookup - range.bias);
      // The frame of a signal trampoline begins at its return address: the byte before has another function's name.
      const trampoline = !this.#signal && module instanceof ElfModule && module.row(site)?.signal === true;
      const frame = module.frame(trampoline ? module.site(site.va + 1) : site, this.#rule);
      into.push(frame);
      if (this.#watch !== null) {
        this.#watch.at(space, frame, this.#signal, r, this.#word, beside);
        this.#besideEnds[depth - 1] = beside.length;
      }
      const step = this.#step(space, module, site);
      if (step === 'on') continue;
      end = step;
      break;
    }
    if (end === 'truncated' && this.#stitch(tid, depth, into)) {
      this.ends.stitched++;
      end = 'root';
    } else if (end === 'root') this.#remember(tid, depth, into);
    this.ends[end]++;
    if (beside.length > 0) this.#weave(depth, into);
    return end;
  }

  /** Puts what the watch said between the frames, from the root side on. */
  #weave(depth: number, into: FrameId[]): void {
    const beside = this.#beside;
    const length = into.length;
    let to = length + beside.length - 1;
    for (let at = length - 1; at >= 0; at--) {
      into[to--] = into[at];
      if (at >= depth) continue;
      const first = at === 0 ? 0 : this.#besideEnds[at - 1];
      for (let one = this.#besideEnds[at] - 1; one >= first; one--) into[to--] = beside[one];
    }
  }

  /** Drops what is kept of a thread. */
  forget(tid: number): void {
    this.#last.delete(tid);
  }

  #step(space: Space, module: CodeModule, site: Site): StackEnd | 'on' {
    this.#beyond = false;
    let row: Row | null = null;
    if (module instanceof ElfModule) {
      row = module.row(site);
      if (row === null && !this.#signal) row = this.#signalRow(module, site);
      if (row !== null) {
        const step = this.#byRow(space, row, module);
        if (step !== 'lost') return step;
      }
    }
    const truncated = this.#beyond;
    if (row !== null) {
      if (!truncated) {
        const step = this.#byFramePointer(space);
        if (step !== 'lost') return step;
      }
    } else {
      const certain = module instanceof JitModule && space.runtime === 'python' && module.isPythonTrampoline(site);
      if (certain && this.#trampoline(space)) return 'on';
      const step = this.#byFramePointer(space);
      if (step !== 'lost') return step;
      if (!certain && module instanceof JitModule && space.runtime === 'python' && this.#trampoline(space)) return 'on';
    }
    // A row that pointed beyond the copy is right: what lies nearer is not the caller.
    if (truncated) return 'truncated';
    if (this.#scan(space)) return 'on';
    return this.#beyond ? 'truncated' : 'lost';
  }

  /** A signal's return address is the very start of its trampoline: the byte before belongs to something else. */
  #signalRow(module: ElfModule, site: Site): Row | null {
    const row = module.row(module.site(site.va + 1));
    return row !== null && row.signal ? row : null;
  }

  #byRow(space: Space, row: Row, module: ElfModule): StackEnd | 'on' {
    if (row.kinds[RA] === UNDEFINED) return 'root';
    const r = this.#registers;
    if (!row.plain) return this.#byFullRow(space, row, module);
    const cfa = r[row.cfaRegister] + row.cfaOffset;
    if (!(cfa > r[SP])) return 'lost';
    const ra = this.#read(cfa - 8);
    if (Number.isNaN(ra)) return this.#beyond ? 'truncated' : 'lost';
    if (!this.#isReturn(space, ra)) return ra === 0 ? 'root' : 'lost';
    const { kinds, values } = row;
    if (kinds[BP] === OFFSET) r[BP] = this.#read(cfa + values[BP]);
    if (kinds[BX] === OFFSET) r[BX] = this.#read(cfa + values[BX]);
    if (kinds[12] === OFFSET) r[12] = this.#read(cfa + values[12]);
    if (kinds[13] === OFFSET) r[13] = this.#read(cfa + values[13]);
    if (kinds[14] === OFFSET) r[14] = this.#read(cfa + values[14]);
    if (kinds[15] === OFFSET) r[15] = this.#read(cfa + values[15]);
    r[SP] = cfa;
    r[RA] = ra;
    this.#rule = EH_FRAME;
    this.#signal = false;
    return 'on';
  }

  #byFullRow(space: Space, row: Row, module: ElfModule): StackEnd | 'on' {
    const r = this.#registers;
    const next = this.#next;
    const view = (module.elf as NonNullable<typeof module.elf>).view;
    try {
      const read = (address: number): number => this.#read(address);
      const cfa = row.cfaRegister < 0 ? evaluate(view, row.cfaOffset, r, read, null) :
        (row.cfaRegister < REGISTER_COUNT ? r[row.cfaRegister] : NaN) + row.cfaOffset;
      if (Number.isNaN(cfa)) return this.#beyond ? 'truncated' : 'lost';
      if (!(cfa > r[SP]) && !row.signal) return 'lost';
      next.set(r);
      next[SP] = cfa;
      for (let register = 0; register < REGISTER_COUNT; register++) {
        const value = row.values[register];
        switch (row.kinds[register]) {
          case UNDEFINED: next[register] = NaN; break;
          case OFFSET: next[register] = this.#read(cfa + value); break;
          case VAL_OFFSET: next[register] = cfa + value; break;
          case REGISTER: next[register] = value < REGISTER_COUNT ? r[value] : NaN; break;
          case EXPRESSION: next[register] = this.#read(evaluate(view, value, r, read, cfa)); break;
          case VAL_EXPRESSION: next[register] = evaluate(view, value, r, read, cfa); break;
          default:
        }
      }
      const ra = next[RA];
      if (Number.isNaN(ra)) return this.#beyond ? 'truncated' : 'lost';
      if (!this.#isReturn(space, ra + (row.signal ? 1 : 0))) return ra === 0 ? 'root' : 'lost';
    } catch (error) {
      if (!(error instanceof BadBinary)) throw error;
      return 'lost';
    }
    r.set(next);
    this.#rule = EH_FRAME;
    this.#signal = row.signal;
    return 'on';
  }

  #byFramePointer(space: Space): StackEnd | 'on' {
    const r = this.#registers;
    const bp = r[BP];
    if (!(bp >= r[SP] && bp % 8 === 0)) return 'lost';
    if (bp + 16 > this.#end) {
      if (bp - r[SP] < FRAME_BYTES) this.#beyond = true;
      return 'lost';
    }
    const saved = this.#read(bp);
    const ra = this.#read(bp + 8);
    if (ra === 0 && saved === 0) return 'root';
    const range = this.#spaces.locate(space, ra - 1);
    if (range === null) return 'lost';
    const module = range.module as CodeModule;
    const follows = module.follows(module.site(ra - 1 - range.bias));
    if (follows === 'no') return 'lost';
    // The bytes of a JIT's code are out of reach: there the chain itself has to go on upwards.
    if (follows === 'unknown' && !(saved > bp && saved % 8 === 0 && saved - bp < FRAME_BYTES)) return 'lost';
    r[BP] = saved;
    r[SP] = bp + 16;
    r[RA] = ra;
    this.#rule = SAVED_BP;
    this.#signal = false;
    return 'on';
  }

  /** CPython's perf trampoline: sub rsp,8; call; add rsp,8; ret. */
  #trampoline(space: Space): boolean {
    const r = this.#registers;
    const ra = this.#read(r[SP] + 8);
    const range = Number.isNaN(ra) ? null : this.#spaces.locate(space, ra - 1);
    if (range === null) return false;
    const module = range.module as CodeModule;
    if (module.follows(module.site(ra - 1 - range.bias)) !== 'yes') return false;
    r[SP] += 16;
    r[RA] = ra;
    this.#rule = TRAMPOLINE;
    this.#signal = false;
    return true;
  }

  #scan(space: Space): boolean {
    const r = this.#registers;
    const from = Math.max(this.#sp, r[SP]);
    const to = Math.min(this.#end, from + SCAN_BYTES);
    for (let at = from - from % 8 + (from % 8 === 0 ? 0 : 8); at + 8 <= to; at += 8) {
      const word = this.#read(at);
      if (!(word > 4096)) continue;
      const range = space.find(word - 1);
      if (range === null) continue;
      const module = this.#spaces.locate(space, word - 1)?.module;
      if (!(module instanceof ElfModule)) continue;
      const site = module.site(word - 1 - range.bias);
      if (module.follows(site) !== 'yes' || module.row(site) === null) continue;
      r[SP] = at + 8;
      r[RA] = word;
      this.#rule = SCAN;
      this.#signal = false;
      return true;
    }
    if (to === this.#end && to < from + SCAN_BYTES) this.#beyond = true;
    return false;
  }

  /** A call through a bad pointer leaves its return address on top of the stack. */
  #callIntoNowhere(space: Space): boolean {
    const r = this.#registers;
    const ra = this.#read(r[SP]);
    const range = Number.isNaN(ra) ? null : this.#spaces.locate(space, ra - 1);
    if (range === null) return false;
    const module = range.module as CodeModule;
    if (module.follows(module.site(ra - 1 - range.bias)) !== 'yes') return false;
    r[SP] += 8;
    r[RA] = ra;
    this.#rule = SCAN;
    this.#signal = false;
    return true;
  }

  #isReturn(space: Space, ra: number): boolean {
    return space.find(ra - 1) !== null;
  }

  /** 8 bytes of the copied stack, NaN outside it; `#beyond` tells that more stack would have helped. */
  #read(address: number): number {
    const at = address - this.#sp;
    if (at >= 0 && address + 8 <= this.#end) return this.#stack.getUint32(at, true) + this.#stack.getUint32(at + 4, true) * 0x1_0000_0000;
    if (at >= 0 && at < 8 * FRAME_BYTES) this.#beyond = true;
    return NaN;
  }

  /** As `#read`, without a word about the end of the copy. */
  #peek(address: number): number {
    const at = address - this.#sp;
    return at >= 0 && address + 8 <= this.#end ? this.#stack.getUint32(at, true) + this.#stack.getUint32(at + 4, true) * 0x1_0000_0000 : NaN;
  }

  #remember(tid: number, depth: number, frames: readonly FrameId[]): void {
    let last = this.#last.get(tid);
    if (last === undefined || last.sps.length < depth) {
      if (this.#last.size >= THREAD_LIMIT) this.#last.clear();
      const room = Math.max(32, depth * 2);
      last = { length: 0, sps: new Float64Array(room), pcs: new Float64Array(room), frames: new Int32Array(room) };
      this.#last.set(tid, last);
    }
    last.length = depth;
    for (let i = 0; i < depth; i++) {
      last.sps[i] = this.#sps[i];
      last.pcs[i] = this.#pcs[i];
      last.frames[i] = frames[i];
    }
  }

  #stitch(tid: number, depth: number, into: FrameId[]): boolean {
    const last = this.#last.get(tid);
    if (last === undefined || depth === 0) return false;
    const sp = this.#sps[depth - 1];
    const pc = this.#pcs[depth - 1];
    for (let i = 0; i < last.length; i++) {
      if (last.sps[i] !== sp || last.pcs[i] !== pc) continue;
      for (let caller = i + 1; caller < last.length && into.length < FRAME_LIMIT; caller++) {
        into.push(this.#spaces.stitchedFrame(last.frames[caller] as FrameId));
        this.#spaces.stats.framesByRule[STITCHED]++;
      }
      return true;
    }
    return false;
  }
}
