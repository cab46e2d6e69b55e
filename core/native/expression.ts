import { BadBinary } from './file-view.ts';
import type { FileView } from './file-view.ts';

// DWARF 5, section 2.5: the operators that compilers and libc use in .eh_frame.

/** Reads 8 bytes of the target's copied stack; NaN where they are not in it. */
export type ReadStack = (address: number) => number;

const STEP_LIMIT = 1000;

/**
 * Value of an expression, NaN where it cannot be had. `packed` is a place as Row has it. Numbers are doubles: addresses
 * are exact, logic works on the low bits that masks and shifts of real rules touch.
 */
export function evaluate(view: FileView, packed: number, registers: Float64Array, read: ReadStack, initial: number | null): number {
  const length = packed % 65_536;
  const from = Math.floor(packed / 65_536);
  const end = from + length;
  const stack: number[] = initial === null ? [] : [initial];
  let at = from;
  const pop = (): number => {
    const value = stack.pop();
    if (value === undefined) throw new BadBinary('expression without operands');
    return value;
  };
  const leb = (signed: boolean): number => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = view.u8(at++);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return signed && (byte & 0x40) !== 0 ? value - scale : value;
    }
    throw new BadBinary('number without an end');
  };
  for (let steps = 0; at < end; steps++) {
    if (steps > STEP_LIMIT || stack.length > 256) throw new BadBinary('expression without an end');
    const op = view.u8(at++);
    if (op >= 0x30 && op <= 0x4f) stack.push(op - 0x30);
    else if (op >= 0x50 && op <= 0x6f) stack.push(registerAt(registers, op - 0x50));
    else if (op >= 0x70 && op <= 0x8f) stack.push(registerAt(registers, op - 0x70) + leb(true));
    else {
      switch (op) {
        case 0x03: stack.push(view.u64(at)); at += 8; break;
        case 0x06: stack.push(read(pop())); break;
        case 0x08: stack.push(view.u8(at)); at += 1; break;
        case 0x09: stack.push((view.u8(at) << 24) >> 24); at += 1; break;
        case 0x0a: stack.push(view.u16(at)); at += 2; break;
        case 0x0b: stack.push((view.u16(at) << 16) >> 16); at += 2; break;
        case 0x0c: stack.push(view.u32(at)); at += 4; break;
        case 0x0d: stack.push(view.i32(at)); at += 4; break;
        case 0x0e: stack.push(view.u64(at)); at += 8; break;
        case 0x0f: stack.push(view.i64(at)); at += 8; break;
        case 0x10: stack.push(leb(false)); break;
        case 0x11: stack.push(leb(true)); break;
        case 0x12: { const top = pop(); stack.push(top, top); break; }
        case 0x13: pop(); break;
        case 0x14: { const top = pop(); const under = pop(); stack.push(under, top, under); break; }
        case 0x15: { const index = view.u8(at++); if (index >= stack.length) throw new BadBinary('pick'); stack.push(stack[stack.length - 1 - index]); break; }
        case 0x16: { const top = pop(); const under = pop(); stack.push(top, under); break; }
        case 0x17: { const a = pop(); const b = pop(); const c = pop(); stack.push(a, c, b); break; }
        case 0x19: stack.push(Math.abs(pop())); break;
        case 0x1a: stack.push(bits(pop(), pop(), 'and')); break;
        case 0x1b: { const by = pop(); stack.push(Math.trunc(pop() / by)); break; }
        case 0x1c: { const by = pop(); stack.push(pop() - by); break; }
        case 0x1d: { const by = pop(); stack.push(pop() % by); break; }
        case 0x1e: stack.push(pop() * pop()); break;
        case 0x1f: stack.push(-pop()); break;
        case 0x20: stack.push(-pop() - 1); break;
        case 0x21: stack.push(bits(pop(), pop(), 'or')); break;
        case 0x22: stack.push(pop() + pop()); break;
        case 0x23: stack.push(pop() + leb(false)); break;
        case 0x24: { const by = pop(); stack.push(pop() * 2 ** by); break; }
        case 0x25: case 0x26: { const by = pop(); stack.push(Math.floor(pop() / 2 ** by)); break; }
        case 0x27: stack.push(bits(pop(), pop(), 'xor')); break;
        case 0x28: { const step = (view.u16(at) << 16) >> 16; at += 2; if (pop() !== 0) at += step; break; }
        case 0x29: { const top = pop(); stack.push(pop() === top ? 1 : 0); break; }
        case 0x2a: { const top = pop(); stack.push(pop() >= top ? 1 : 0); break; }
        case 0x2b: { const top = pop(); stack.push(pop() > top ? 1 : 0); break; }
        case 0x2c: { const top = pop(); stack.push(pop() <= top ? 1 : 0); break; }
        case 0x2d: { const top = pop(); stack.push(pop() < top ? 1 : 0); break; }
        case 0x2e: { const top = pop(); stack.push(pop() !== top ? 1 : 0); break; }
        case 0x2f: at += 2 + ((view.u16(at) << 16) >> 16); break;
        case 0x94: { const size = view.u8(at++); const value = read(pop()); stack.push(size === 8 ? value : value % 2 ** (8 * size)); break; }
        case 0x96: break;
        default: throw new BadBinary(`operator ${op}`);
      }
    }
    if (at < from || at > end) throw new BadBinary('jump out of the expression');
  }
  return pop();
}

function registerAt(registers: Float64Array, index: number): number {
  return index < registers.length ? registers[index] : NaN;
}

/** Bitwise on 53-bit numbers, in two halves; -1 and its like stand for a mask of ones above. */
function bits(a: number, b: number, op: 'and' | 'or' | 'xor'): number {
  const highA = Math.floor(a / 0x1_0000_0000);
  const highB = Math.floor(b / 0x1_0000_0000);
  const lowA = a % 0x1_0000_0000;
  const lowB = b % 0x1_0000_0000;
  switch (op) {
    case 'and': return ((highA & highB) * 0x1_0000_0000) + ((lowA & lowB) >>> 0);
    case 'or': return ((highA | highB) * 0x1_0000_0000) + ((lowA | lowB) >>> 0);
    case 'xor': return ((highA ^ highB) * 0x1_0000_0000) + ((lowA ^ lowB) >>> 0);
  }
}
