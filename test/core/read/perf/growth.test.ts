// Memory from the kernel: system calls as text in, rows of bytes out.
import { expect, test } from 'vitest';
import type { StackId, ThreadId } from '#core/model/ids';
import { NO_STACK } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import { Profile } from '#core/model/profile';
import { Growth, growthEvent } from '#core/read/perf/growth';
import { OwnedRanges } from '#core/read/perf/ranges';

const ANONYMOUS = 0x22;
const NORESERVE = 0x4000;
const STACK = 0x20000;
const K = 1024;
const M = 1024 * K;
const G = 1024 * M;

/** A process whose calls are played one after another, one time unit each; the stack of a call is named by the caller. */
class Played {
  readonly profile = new Profile();
  readonly growth = new Growth(this.profile, 'test');
  #view = new DataView(new ArrayBuffer(64));
  #time = 0;
  raw = false;

  enter(call: 'mmap' | 'munmap' | 'brk' | 'mremap', pid: number, tid: number, ...values: number[]): void {
    this.#put(call, values);
    this.growth.enter(this.raw ? 'any' : call, this.#view, 0, 64, pid, tid, ++this.#time);
  }

  exit(call: 'mmap' | 'munmap' | 'brk' | 'mremap', pid: number, tid: number, answer: number, stack: string): void {
    this.#put(call, [answer]);
    const { profile } = this;
    this.growth.exit(this.raw ? 'any' : call, this.#view, 0, 24, pid, tid, tid as ThreadId, ++this.#time, () =>
      profile.stacks.intern(NO_STACK, profile.frames.source(profile.functions.intern({ name: stack, kind: 'native' }))));
  }

  mmap(stack: string, address: number, length: number, flags = ANONYMOUS, access = 3, tid = 1, pid = 1): void {
    this.enter('mmap', pid, tid, 0, length, access, flags, -1, 0);
    this.exit('mmap', pid, tid, address, stack);
  }

  munmap(address: number, length: number, tid = 1, pid = 1): void {
    this.enter('munmap', pid, tid, address, length);
  }

  mremap(stack: string, old: number, oldLength: number, length: number, address: number, flags = 1): void {
    this.enter('mremap', 1, 1, old, oldLength, length, flags, 0);
    this.exit('mremap', 1, 1, address, stack);
  }

  brk(stack: string, end: number, pid = 1): void {
    this.exit('brk', pid, 1, end, stack);
  }

  wait(time: number): void {
    this.#time = time;
    this.growth.sweep(time);
  }

  /** `time stack thread bytes` of each row, bytes in KB. */
  rows(lane: Lane = this.growth.held): string[] {
    const rows: string[] = [];
    for (const chunk of lane.chunks) {
      for (let row = 0; row < chunk.rows; row++) {
        const frame = this.profile.frames.functionOf(this.profile.stacks.framesOf(chunk.stack[row] as StackId)[0]);
        rows.push(`${chunk.timeAt(row)} ${this.profile.functions.nameOf(frame)} ${chunk.thread[row]} ${chunk.weight.get(row) / K}${chunk.count.get(row) === 0 ? '' : ` x${chunk.count.get(row)}`}`);
      }
    }
    return rows;
  }

  #put(call: string, values: readonly number[]): void {
    this.#view.setUint32(8, { mmap: 9, munmap: 11, brk: 12, mremap: 25 }[call] ?? 0, true);
    values.forEach((value, n) => { this.#view.setBigInt64(16 + n * 8, BigInt(value), true); });
  }
}

test('what is mapped is allocated and held, what is unmapped goes back to the stack that mapped it', () => {
  const p = new Played();
  p.mmap('load', 0x10000, 64 * K);
  p.mmap('cache', 0x100000, M, ANONYMOUS, 3, 2);
  p.munmap(0x10000, 64 * K, 3);
  expect(p.rows(p.growth.lane)).toEqual(['2 load 1 64 x1', '4 cache 2 1024 x1']);
  expect(p.rows()).toEqual(['2 load 1 64 x1', '4 cache 2 1024 x1', '5 load 1 -64']);
  expect(p.growth.held.total).toBe(M);
});

test('a part in the middle goes: the rest stays, and one call may free what many mapped', () => {
  const p = new Played();
  p.mmap('a', 0x100000, 16 * K);
  p.munmap(0x101000, 4 * K);
  expect(p.rows().slice(1)).toEqual(['3 a 1 -4']);
  p.mmap('b', 0x104000, 16 * K);
  p.munmap(0x100000, M);
  expect(p.rows().slice(3)).toEqual(['6 a 1 -4', '6 a 1 -8', '6 b 1 -16']);
  expect(p.growth.held.total).toBe(0);
});

test('what counts: anonymous memory that may be touched; no files, no reservations, no stacks', () => {
  const p = new Played();
  p.mmap('file', 0x1000000, M, 0x02, 1);
  p.mmap('reserved', 0x2000000, 64 * M, ANONYMOUS | NORESERVE, 0);
  p.mmap('stack', 0x8000000, 8 * M, ANONYMOUS | STACK);
  p.mmap('shadow', 0x100000000, 20 * 1024 * G, ANONYMOUS | NORESERVE);
  p.enter('mmap', 1, 1, 0, M, 3, ANONYMOUS, -1, 0);
  p.exit('mmap', 1, 1, -12, 'no memory left');
  expect(p.rows()).toEqual([]);
  p.mmap('allocator', 0x10000000, 2 * M, ANONYMOUS | NORESERVE);
  p.mmap('shared', 0x20000000, M, 0x21);
  // Lengths count in whole pages.
  p.mmap('odd', 0x30000000, 5000);
  expect(p.rows(p.growth.lane).map((row) => row.split(' ').slice(1).join(' '))).toEqual(['allocator 1 2048 x1', 'shared 1 1024 x1', 'odd 1 8 x1']);
});

test('memory that is used out of a reservation, and a file in the place of memory', () => {
  const p = new Played();
  p.mmap('reserve', 0x10000000, 64 * M, ANONYMOUS | NORESERVE, 0);
  p.mmap('commit', 0x10000000, M, ANONYMOUS | 0x10);
  p.mmap('again', 0x10080000, M, ANONYMOUS | 0x10);
  p.mmap('file', 0x10000000, 64 * K, 0x12);
  expect(p.rows()).toEqual(['4 commit 1 1024 x1', '6 commit 1 -512', '6 again 1 1024 x1', '8 commit 1 -64']);
});

test('mremap: growth is of who grows it, what moves stays of who mapped it, what is cut goes back', () => {
  const p = new Played();
  p.mmap('list', 0x100000, M);
  p.mremap('append', 0x100000, M, 2 * M, 0x900000);
  expect(p.rows()).toEqual(['2 list 1 1024 x1', '4 append 1 1024 x1']);
  p.mremap('shrink', 0x900000, 2 * M, 512 * K, 0x900000);
  expect(p.rows().slice(2)).toEqual(['6 list 1 -512', '6 append 1 -1024']);
  p.munmap(0x900000, 512 * K);
  expect(p.growth.held.total).toBe(0);
  // Mapped before the recording: only what is added is known.
  p.mremap('append', 0x5000000, M, 3 * M, 0x6000000);
  expect(p.rows().at(-1)).toBe('9 append 1 2048 x1');
  p.munmap(0x6000000, 3 * M);
  expect(p.growth.held.total).toBe(0);
});

test('the heap: from where it was known to end, up and down', () => {
  const p = new Played();
  // Nobody said where it ended: the first call only tells.
  p.brk('first', 10 * M);
  p.brk('grow', 11 * M);
  p.brk('grow', 12 * M);
  p.brk('trim', 11 * M + 512 * K);
  expect(p.rows()).toEqual(['2 grow 1 1024 x1', '3 grow 1 1024 x1', '4 grow 1 -512']);
  const q = new Played();
  q.growth.heap(1, 10 * M);
  q.growth.heap(1, 20 * M);
  q.brk('grow', 11 * M);
  expect(q.rows()).toEqual(['1 grow 1 1024 x1']);
  // Of what was given back and is from before the recording nothing is known.
  q.brk('trim', 5 * M);
  expect(q.growth.held.total).toBe(0);
  // While the lane was off nobody saw how far it went.
  q.growth.missed();
  q.brk('grow', 50 * M);
  q.brk('grow', 51 * M);
  expect(q.growth.held.total).toBe(M);
});

test('a child has the heap of its parent and none of its memory; an exec gives all back at once, an end a second later', () => {
  const p = new Played();
  p.growth.heap(1, 10 * M);
  p.mmap('parent', 0x100000, M);
  p.growth.fork(1, 2);
  p.brk('child', 11 * M, 2);
  p.munmap(0x100000, M, 2, 2);
  expect(p.rows()).toEqual(['2 parent 1 1024 x1', '3 child 1 1024 x1']);
  p.growth.exec(2, 10);
  p.brk('loader', 70 * M, 2);
  p.brk('new program', 71 * M, 2);
  expect(p.rows().slice(2)).toEqual(['10 child 1 -1024', '6 new program 1 1024 x1']);
  p.growth.exited(2, 20);
  p.wait(0.9e9);
  expect(p.growth.held.total).toBe(2 * M);
  p.wait(1e9 + 20);
  expect(p.rows().at(-1)).toBe('20 new program 1 -1024');
  expect(p.growth.held.total).toBe(M);
});

test('threads in calls at the same time, and a call whose beginning was lost', () => {
  const p = new Played();
  p.enter('mmap', 1, 1, 0, M, 3, ANONYMOUS, -1, 0);
  p.enter('mmap', 1, 2, 0, 2 * M, 3, ANONYMOUS, -1, 0);
  p.exit('mmap', 1, 2, 0x5000000, 'two');
  p.exit('mmap', 1, 1, 0x1000000, 'one');
  p.exit('mmap', 1, 3, 0x9000000, 'three');
  expect(p.rows()).toEqual(['3 two 2 2048 x1', '4 one 1 1024 x1']);
  expect([...p.profile.skipped]).toEqual([['calls of mmap or mremap whose beginning was not seen', 1]]);
  // A munmap that was missed shows when its addresses are given out again.
  p.mmap('new', 0x1000000, 512 * K);
  expect(p.rows().slice(2)).toEqual(['7 one 1 -512', '7 new 1 512 x1']);
});

test('raw tracepoints say the call by its number', () => {
  const p = new Played();
  p.raw = true;
  p.growth.heap(1, 10 * M);
  p.mmap('load', 0x10000, 64 * K);
  p.brk('grow', 11 * M);
  p.munmap(0x10000, 64 * K);
  expect(p.rows()).toEqual(['2 load 1 64 x1', '3 grow 1 1024 x1', '4 load 1 -64']);
});

test('events by name', () => {
  expect(growthEvent('syscalls:sys_enter_mmap')).toEqual({ call: 'mmap', enter: true });
  expect(growthEvent('syscalls:sys_exit_brk/call-graph=dwarf,stack-size=4096/')).toEqual({ call: 'brk', enter: false });
  expect(growthEvent('raw_syscalls:sys_exit')).toEqual({ call: 'any', enter: false });
  expect(growthEvent('syscalls:sys_enter_munmapu')).toEqual({ call: 'munmap', enter: true });
  expect(growthEvent('syscalls:sys_enter_mmap2')).toBeNull();
  expect(growthEvent('sched:sched_switch')).toBeNull();
});

test('ranges against a plain map of pages', () => {
  const ranges = new OwnedRanges();
  const pages = new Map<number, number>();
  let seed = 7;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
  for (let turn = 0; turn < 5000; turn++) {
    const start = random(60);
    const end = start + 1 + random(12);
    let gone = 0;
    ranges.remove(start, end, (bytes) => { gone += bytes; });
    let known = 0;
    for (let page = start; page < end; page++) known += pages.delete(page) ? 1 : 0;
    expect(gone).toBe(known);
    if (random(3) > 0) {
      const owner = random(4);
      ranges.add(start, end, owner, owner as StackId);
      for (let page = start; page < end; page++) pages.set(page, owner);
    }
  }
  const left = new Map<number, number>();
  ranges.remove(0, Infinity, (bytes, thread) => left.set(thread, (left.get(thread) ?? 0) + bytes));
  const expected = new Map<number, number>();
  for (const owner of pages.values()) expected.set(owner, (expected.get(owner) ?? 0) + 1);
  expect([...left].sort()).toEqual([...expected].sort());
  expect(ranges.length).toBe(0);
});
