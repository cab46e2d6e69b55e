import { describe, expect, test } from 'vitest';
import { AddressSpaces, parseMaps } from '#core/native/address-space';
import type { MappingFacts } from '#core/native/address-space';
import { endsInCall } from '#core/native/call-site';
import { jitFunction } from '#core/native/jit-module';
import { KernelSymbols } from '#core/native/kallsyms';
import { isOwnFile } from '#core/native/own-code';
import { PerfMap } from '#core/native/perf-map';
import { NO_SOURCES } from '#core/native/sources';
import type { NativeSources } from '#core/native/sources';
import { Profile } from '#core/model/profile';
import type { FrameRule } from '#core/model/tables';
import { FUNCTION_UNNAMED } from '#core/model/tables';

function mapping(start: number, length: number, path: string, more: Partial<MappingFacts> = {}): MappingFacts {
  return { start, length, fileOffset: 0, path, executable: true, buildId: '', ...more };
}

function spacesOf(sources: Partial<NativeSources> = {}): { profile: Profile; spaces: AddressSpaces; at: (pid: number, pc: number, rule?: FrameRule) => string } {
  const profile = new Profile();
  const spaces = new AddressSpaces(profile, { ...NO_SOURCES, ...sources }, { directory: '/home/me/app' });
  const at = (pid: number, pc: number, rule: FrameRule = 'leaf'): string => profile.functions.nameOf(profile.frames.functionOf(spaces.userFrame(pid, pc, rule)));
  return { profile, spaces, at };
}

describe('address spaces', () => {
  test('a later mapping cuts the older one', () => {
    const { spaces, at } = spacesOf();
    spaces.map(1, mapping(0x1000, 0x4000, '/a'));
    spaces.map(1, mapping(0x2000, 0x1000, '/b', { fileOffset: 0x500 }));
    expect([0xfff, 0x1000, 0x2000, 0x2fff, 0x3000, 0x4fff, 0x5000].map((pc) => at(1, pc))).toEqual([
      '[unmapped address]', '[a+0x0]', '[b+0x500]', '[b+0x14ff]', '[a+0x2000]', '[a+0x3fff]', '[unmapped address]',
    ]);
    spaces.map(1, mapping(0x3800, 0x100, '/data', { executable: false }));
    expect([0x37ff, 0x3800, 0x3900].map((pc) => at(1, pc))).toEqual(['[a+0x27ff]', '[unmapped address]', '[a+0x2900]']);
  });

  test('a child starts with its parent\'s maps, exec clears them, the parent keeps its own', () => {
    const { spaces, at } = spacesOf();
    spaces.map(1, mapping(0x1000, 0x1000, '/a'));
    spaces.fork(1, 2);
    expect(at(2, 0x1800)).toBe('[a+0x800]');
    spaces.map(2, mapping(0x1000, 0x1000, '/b'));
    expect([at(1, 0x1800), at(2, 0x1800)]).toEqual(['[a+0x800]', '[b+0x800]']);
    spaces.exec(2);
    expect([at(1, 0x1800), at(2, 0x1800)]).toEqual(['[a+0x800]', '[unmapped address]']);
  });

  test('a return address is looked up one byte before', () => {
    const { profile, spaces, at } = spacesOf();
    spaces.map(1, mapping(0x1000, 0x1000, '/a'));
    expect(at(1, 0x2000, 'call-chain')).toBe('[a+0xfff]');
    expect(profile.frames.address.get(spaces.userFrame(1, 0x1801, 'eh-frame'))).toBe(0x800);
    expect(spaces.stats.framesByRule).toEqual([0, 0, 1, 1, 0, 0, 0, 0]);
  });

  test('two processes with the same file share frames, anonymous code never does', () => {
    const { spaces } = spacesOf();
    for (const pid of [1, 2]) {
      spaces.map(pid, mapping(pid * 0x10000, 0x1000, '/a', { buildId: 'ab' }));
      spaces.map(pid, mapping(0x5000, 0x1000, '//anon'));
    }
    expect(spaces.userFrame(1, 0x10010, 'leaf')).toBe(spaces.userFrame(2, 0x20010, 'leaf'));
    expect(spaces.userFrame(1, 0x5010, 'leaf')).not.toBe(spaces.userFrame(2, 0x5010, 'leaf'));
  });

  test('a process that no record told of is looked up once', () => {
    let asked = 0;
    const { at } = spacesOf({
      maps: () => {
        asked++;
        return '00001000-00002000 r-xp 00000300 08:01 77 /opt/my program (deleted)\n00002000-00003000 rw-p 00000000 00:00 0 [heap]\n';
      },
    });
    expect([at(7, 0x1010), at(7, 0x2010)]).toEqual(['[my program+0x310]', '[unmapped address]']);
    expect(asked).toBe(1);
  });

  test('names of a perf map that arrive late are patched into their frames', () => {
    let text = '';
    const { profile, spaces, at } = spacesOf({ perfMap: () => { const now = text; text = ''; return now; } });
    spaces.map(1, mapping(0x5000, 0x1000, ''));
    const frame = spaces.userFrame(1, 0x5010, 'leaf');
    const before = profile.frames.functionOf(frame);
    expect(profile.functions.nameOf(before)).toBe('[anonymous code]');
    expect(profile.functions.flags.get(before) & FUNCTION_UNNAMED).toBe(FUNCTION_UNNAMED);
    spaces.resolveNames(10);
    expect(spaces.stats.unnamed).toBe(1);
    text = '5000 100 py::train:/home/me/app/train.py\n';
    spaces.resolveNames(10);
    const fn = profile.frames.functionOf(frame);
    expect([profile.functions.nameOf(fn), profile.functions.fileOf(fn), profile.functions.kindOf(fn), profile.functions.isOwn(fn)])
      .toEqual(['train', '/home/me/app/train.py', 'python', true]);
    expect(profile.frames.changes.length).toBe(1);
    expect(spaces.stats.unnamed).toBe(0);
    expect(at(1, 0x50ff)).toBe('train');
  });

  test('kernel addresses get their names when the symbols are read', () => {
    const { profile, spaces } = spacesOf({ kallsyms: () => 'ffffffff81000000 T _text\nffffffff81000100 t do_one\nffffffffc0001000 t go\t[ext4]\n' });
    spaces.mapKernel(0xffff81000000, 0x1000000, '[kernel.kallsyms]');
    const frames = [spaces.kernelFrame(0xffff81000150, true), spaces.kernelFrame(0xffff81000100, false), spaces.kernelFrame(0xffffc0001004, false)];
    spaces.resolveNames(10);
    expect(frames.map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)))).toEqual(['do_one', '_text', 'go']);
    expect(frames.map((frame) => profile.functions.libraryOf(profile.frames.functionOf(frame)))).toEqual(['[kernel]', '[kernel]', '[ext4]']);
  });
});

describe('small readers', () => {
  test('/proc/PID/maps', () => {
    expect(parseMaps('7f00-7f10 r-xp 00000020 08:01 5    /lib/a b.so\nnonsense\nff00-ff10 rwxp 00000000 00:00 0 \n')).toEqual([
      { start: 0x7f00, length: 16, fileOffset: 32, path: '/lib/a b.so', executable: true, buildId: '' },
      { start: 0xff00, length: 16, fileOffset: 0, path: '//anon', executable: true, buildId: '' },
    ]);
  });

  test('a perf map takes text cut anywhere; later lines win', () => {
    const text = '1000 100 old\n2000 80 JS:*f file.js:1:2\nbroken line\n1080 10 newer inside\n1000 20 newest\n';
    for (const size of [1, 7, 100]) {
      const map = new PerfMap();
      for (let at = 0; at < text.length; at += size) map.add(text.slice(at, at + size));
      expect([0x1000, 0x101f, 0x1020, 0x1085, 0x1090, 0x10ff, 0x1100, 0x2010, 0xfff].map((at) => map.find(at))).toEqual([
        'newest', 'newest', 'old', 'newer inside', 'old', 'old', '', 'JS:*f file.js:1:2', '',
      ]);
    }
  });

  test.each([
    ['py::Model.forward:/srv/lib/python3.12/site-packages/torch/nn/x.py', 'python', 'Model.forward', '/srv/lib/python3.12/site-packages/torch/nn/x.py', 'torch'],
    ['py::<module>:<string>', 'python', '<module>', '<string>', ''],
    ['JS:~fib /home/me/app/a.js:3:13', 'javascript', 'fib', '/home/me/app/a.js', ''],
    ['JS:^inner file:///home/me/app/b.mjs:3:13', 'javascript', 'inner', '/home/me/app/b.mjs', ''],
    ["JS:*'fib /home/me/app/a.js:1:13", 'javascript', 'fib', '/home/me/app/a.js', ''],
    ['LazyCompile:*main node:internal/x:9', 'javascript', 'main', 'node:internal/x', ''],
    ['JS:~ /home/me/app/a.js:1:1', 'javascript', '(anonymous)', '/home/me/app/a.js', ''],
    ['Builtin:ArrayMap', 'native', 'Builtin:ArrayMap', '', '[jit]'],
    ['Ljava/lang/String;::hashCode', 'java', 'java.lang.String.hashCode', '', '[jit]'],
  ] as const)('%s', (entry, kind, name, file, library) => {
    const facts = jitFunction(entry, '/home/me/app');
    expect([facts.kind, facts.name, facts.file ?? '', facts.library ?? '']).toEqual([kind, name, file, library]);
  });

  test('kallsyms that hide their addresses give nothing', () => {
    expect(KernelSymbols.parse('0000000000000000 T _text\n0000000000000000 t do_one\n')).toBeNull();
    expect(KernelSymbols.parse('')).toBeNull();
    expect(KernelSymbols.parse('no such\nfile\n')).toBeNull();
  });

  test('own code lies below the target\'s directory and is not installed there', () => {
    const own = (path: string, directory = '/home/me/app'): boolean => isOwnFile(path, directory);
    expect([own('/home/me/app/train'), own('/home/me/app/build/libx.so'), own('/home/me/other'), own('/home/me/apple')]).toEqual([true, true, false, false]);
    expect([own('/home/me/app/venv/lib/python3.12/site-packages/torch/x.so'), own('/usr/lib/libc.so.6', '/'), own('/opt/app/run', '/opt/app')]).toEqual([false, false, true]);
    expect(own('/x', '')).toBe(false);
  });

  test.each([
    ['e8 rel32', [0xe8, 1, 2, 3, 4], true], ['call rax', [0xff, 0xd0], true], ['call r12', [0x41, 0xff, 0xd4], true], ['call [rip+x]', [0xff, 0x15, 1, 2, 3, 4], true],
    ['call [rbx+8]', [0xff, 0x53, 8], true], ['call [rsp+8]', [0xff, 0x54, 0x24, 8], true], ['call [rax+rcx*8+disp32]', [0xff, 0x94, 0xc8, 1, 2, 3, 4], true],
    ['jmp rax', [0xff, 0xe0], false], ['push rbp; mov', [0x55, 0x48, 0x89, 0xe5], false], ['nops', [0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90], false],
  ] as const)('%s is a call: %s', (_what, bytes, call) => {
    expect(endsInCall(Uint8Array.from(bytes))).toBe(call);
    expect(endsInCall(Uint8Array.from([0x90, 0x90, ...bytes].slice(-7)))).toBe(call);
  });
});
