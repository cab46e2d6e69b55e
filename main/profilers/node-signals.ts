// Whether a program handles a signal itself. The kernel tells only that some handler is there (SigCgt of /proc/PID/status), and Node has one of
// its own for SIGUSR1. But a handler that JavaScript installs goes through libuv, which keeps its watchers in a tree whose root is the
// variable `uv__signal_tree`: the program's symbol table says where it is, its memory what is in it.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readProc, readProcLink } from '../processes/proc.ts';

/** From https://github.com/libuv/libuv/blob/v1.x/include/uv/unix.h: handles of libuv 1 keep their layout (64 bit). */
const SIGNUM = 104;
const LEFT = 112;
const RIGHT = 120;
const HANDLE = 128;
const SYMBOL = 'uv__signal_tree';
/** More watchers than any program has. */
const MOST = 1000;
const SHT_SYMTAB = 2;
const MOST_TABLE = 256 << 20;

/** Whether JavaScript in a Node process handles a signal; null where that cannot be seen (a stripped program, memory that may not be read). */
export function handlesSignal(pid: number, signal: number): boolean | null {
  const place = addressOf(pid);
  if (place === null) return null;
  let memory: number;
  try {
    memory = openSync(`/proc/${pid}/mem`, 'r');
  } catch {
    return null;
  }
  try {
    const waiting = [pointer(memory, place)];
    for (let count = 0; waiting.length > 0; count++) {
      const at = waiting.pop() ?? 0;
      if (at === 0) continue;
      if (count > MOST) return null;
      const handle = bytesAt(memory, at, HANDLE);
      const signum = handle.readInt32LE(SIGNUM);
      // Another layout than ours.
      if (signum < 1 || signum > 64) return null;
      if (signum === signal) return true;
      waiting.push(Number(handle.readBigUInt64LE(LEFT)), Number(handle.readBigUInt64LE(RIGHT)));
    }
    return false;
  } catch {
    return null;
  } finally {
    closeSync(memory);
  }
}

function pointer(memory: number, at: number): number {
  return Number(bytesAt(memory, at, 8).readBigUInt64LE(0));
}

function bytesAt(file: number, at: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (readSync(file, bytes, 0, length, at) !== length) throw new Error('short read');
  return bytes;
}

/** Address of the tree's root in a process; null where its program has no such symbol. */
function addressOf(pid: number): number | null {
  const symbol = symbolOf(`/proc/${pid}/exe`);
  if (symbol === null) return null;
  if (symbol.fixed) return symbol.value;
  const path = readProcLink(`/proc/${pid}/exe`);
  for (const line of (readProc(`/proc/${pid}/maps`) ?? '').split('\n')) {
    const match = /^([0-9a-f]+)-[0-9a-f]+ \S+ 0+ \S+ \d+\s+(.*)$/.exec(line);
    if (match !== null && match[2] === path) return parseInt(match[1], 16) + symbol.value;
  }
  return null;
}

interface Symbol {
  readonly value: number;
  /** The program is not moved when it is loaded. */
  readonly fixed: boolean;
}

const known = new Map<string, Symbol | null>();

/** The symbol's value in an ELF file (elf(5)), read once for each file: two tables of some MB. */
function symbolOf(path: string): Symbol | null {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const facts = fstatSync(file);
    const key = `${facts.dev}:${facts.ino}:${facts.mtimeMs}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const found = readSymbol(file);
    known.set(key, found);
    return found;
  } catch {
    return null;
  } finally {
    closeSync(file);
  }
}

function readSymbol(file: number): Symbol | null {
  const head = bytesAt(file, 0, 64);
  if (head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return null;
  const size = head.readUInt16LE(58);
  const count = head.readUInt16LE(60);
  if (size < 64 || count === 0) return null;
  const sections = bytesAt(file, Number(head.readBigUInt64LE(40)), size * count);
  const table = (index: number): Buffer | null => {
    const length = Number(sections.readBigUInt64LE(index * size + 32));
    return length > MOST_TABLE ? null : bytesAt(file, Number(sections.readBigUInt64LE(index * size + 24)), length);
  };
  for (let i = 0; i < count; i++) {
    if (sections.readUInt32LE(i * size + 4) !== SHT_SYMTAB) continue;
    const names = table(sections.readUInt32LE(i * size + 40));
    const symbols = table(i);
    const name = names === null ? -1 : names.indexOf(`\0${SYMBOL}\0`);
    if (symbols === null || name < 0) return null;
    for (let at = 0; at + 24 <= symbols.length; at += 24) {
      if (symbols.readUInt32LE(at) === name + 1) return { value: Number(symbols.readBigUInt64LE(at + 8)), fixed: head.readUInt16LE(16) === 2 };
    }
  }
  return null;
}
