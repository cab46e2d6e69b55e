// From one sample record to a stack: the kernel's part of the call chain, then the user part, copied stack or call chain.
import type { FrameId, StackId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import { FRAME_RULES } from '#core/model/tables';
import type { Registers } from '#core/native/unwind';
import type { PerfEvent } from './attributes.ts';
import type { Block } from './framer.ts';
import { CPUMODE_KERNEL, CPUMODE_USER, MISC_CPUMODE, SAMPLE, low48, u64 } from './layout.ts';
import { skipRead } from './shape.ts';
import type { PerfShared } from './threads.ts';

const ABI_64 = 2;

/** Markers inside a call chain: from here on addresses are of that context. Low 32 bits; the high ones are all set. */
const CONTEXT_FIRST = 0xfffff001;
const CONTEXT_KERNEL = 0xffffff80;
const CONTEXT_USER = 0xfffffe00;

const KERNEL = 1;
const USER = 2;
const ELSEWHERE = 3;

export interface StackStats {
  /** Stacks with user frames that reached a root, were cut by the end of the copy, or ended in code without a rule. */
  roots: number;
  truncated: number;
  lost: number;
  /** Frames by the rule that found them, in the order of FRAME_RULES. */
  readonly rules: number[];
}

export class StackReader {
  readonly stats: StackStats = { roots: 0, truncated: 0, lost: 0, rules: FRAME_RULES.map(() => 0) };
  /** False when the last record could not be read: its fields reach beyond its end. */
  fits = true;
  /** Where the last record's raw data lies, -1 where it has none. */
  rawAt = -1;
  rawSize = 0;
  #shared: PerfShared;
  #frames: FrameId[] = [];
  /** The unwinder's part: it begins with an empty list. */
  #user: FrameId[] = [];
  #registers: Registers = { ip: 0, sp: 0, bp: 0, bx: 0, r12: 0, r13: 0, r14: 0, r15: 0 };
  #truncated: FrameId | null = null;
  #lost: FrameId | null = null;
  #guest: FrameId | null = null;

  constructor(shared: PerfShared) {
    this.#shared = shared;
  }

  /** The stack of the sample at `at`. Sets `fits`. */
  read(block: Block, at: number, event: PerfEvent, pid: number, tid: number): StackId {
    const view = block.view;
    const end = at + view.getUint16(at + 6, true);
    const bits = event.sampleType;
    const frames = this.#frames;
    const spaces = this.#shared.spaces;
    frames.length = 0;
    this.fits = true;
    this.rawAt = -1;
    let root: FrameId | null = null;
    let next = at + event.fixedEnd;

    const mode = view.getUint16(at + 4, true) & MISC_CPUMODE;
    let context = mode === CPUMODE_KERNEL ? KERNEL : mode === CPUMODE_USER ? USER : mode === 0 ? 0 : ELSEWHERE;
    const copied = (bits & SAMPLE.STACK_USER) !== 0 && event.regIp >= 0 && event.regSp >= 0;

    if ((bits & SAMPLE.READ) !== 0) {
      next = skipRead(view, next, end, event.readFormat);
      if (next > end) return this.#broken();
    }

    let userFrames = 0;
    if ((bits & SAMPLE.CALLCHAIN) !== 0) {
      if (next + 8 > end) return this.#broken();
      const count = u64(view, next);
      next += 8;
      if (count > (end - next) / 8) return this.#broken();
      const chainEnd = next + count * 8;
      for (; next < chainEnd; next += 8) {
        const low = view.getUint32(next, true);
        const high = view.getUint32(next + 4, true);
        if (high === 0xffffffff && low >= CONTEXT_FIRST) {
          context = low === CONTEXT_KERNEL ? KERNEL : low === CONTEXT_USER ? USER : ELSEWHERE;
          continue;
        }
        if (context === KERNEL) frames.push(spaces.kernelFrame(low48(view, next), frames.length === 0));
        else if (context === USER) {
          if (!copied) frames.push(spaces.userFrame(pid, low + high * 0x1_0000_0000, userFrames++ === 0 ? 'leaf' : 'call-chain'));
        } else if (context === ELSEWHERE) frames.push(this.#guest ??= this.#shared.marker('[guest]'));
      }
    }

    if ((bits & SAMPLE.RAW) !== 0) {
      if (next + 4 > end) return this.#broken();
      const size = view.getUint32(next, true);
      if (size <= end - next - 4) {
        this.rawAt = next + 4;
        this.rawSize = size;
      }
      next += 4 + size;
    }

    if (copied) {
      if ((bits & SAMPLE.BRANCH_STACK) !== 0) {
        if (next + 8 > end) return this.#broken();
        next += 8 + (event.branchHwIndex ? 8 : 0) + u64(view, next) * (event.branchCounters ? 32 : 24);
      }
      if (next + 8 > end) return this.#broken();
      const abi = view.getUint32(next, true);
      next += 8;
      if (abi !== 0) {
        const registersAt = next;
        next += event.registerBytes;
        if (next + 8 > end) return this.#broken();
        const size = u64(view, next);
        next += 8;
        let filled = 0;
        if (size > 0) {
          if (size > end - next - 8) return this.#broken();
          filled = Math.min(size, u64(view, next + size));
        }
        if (abi === ABI_64) {
          this.#setRegisters(view, registersAt, event);
          const how = this.#shared.unwinder.unwind(pid, tid, this.#registers, block.bytes.subarray(next, next + filled), this.#user);
          for (let i = 0; i < this.#user.length; i++) frames.push(this.#user[i]);
          if (how === 'root') this.stats.roots++;
          else if (how === 'truncated') {
            this.stats.truncated++;
            root = this.#truncated ??= this.#shared.marker('[truncated]');
          } else {
            this.stats.lost++;
            root = this.#lost ??= this.#shared.marker('[unwinding lost]');
          }
        } else frames.push(spaces.userFrame(pid, u64(view, registersAt + event.regIp), 'leaf'));
      }
    }

    if (frames.length === 0 && event.ipAt >= 0) {
      const ip = at + event.ipAt;
      if (mode === CPUMODE_USER) frames.push(spaces.userFrame(pid, u64(view, ip), 'leaf'));
      else if (mode === CPUMODE_KERNEL || view.getUint32(ip + 4, true) >= 0xffff0000) frames.push(spaces.kernelFrame(low48(view, ip), true));
      else if (u64(view, ip) !== 0) frames.push(spaces.userFrame(pid, u64(view, ip), 'leaf'));
    }
    return this.#intern(root);
  }

  #intern(root: FrameId | null): StackId {
    const { stacks, frames: table } = this.#shared.profile;
    const frames = this.#frames;
    const rules = this.stats.rules;
    let stack = root === null ? NO_STACK : stacks.intern(NO_STACK, root);
    for (let i = frames.length - 1; i >= 0; i--) {
      rules[table.rule.get(frames[i])]++;
      stack = stacks.intern(stack, frames[i]);
    }
    return stack;
  }

  #setRegisters(view: DataView, at: number, event: PerfEvent): void {
    const r = this.#registers;
    const value = (offset: number) => (offset < 0 ? 0 : u64(view, at + offset));
    r.ip = value(event.regIp);
    r.sp = value(event.regSp);
    r.bp = value(event.regBp);
    r.bx = value(event.regBx);
    r.r12 = value(event.regR12);
    r.r13 = value(event.regR13);
    r.r14 = value(event.regR14);
    r.r15 = value(event.regR15);
  }

  #broken(): StackId {
    this.fits = false;
    return NO_STACK;
  }
}
