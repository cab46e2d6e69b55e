import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readableName } from '#core/native/demangle';
import { ElfFile } from '#core/native/elf';
import { memorySource } from '#core/native/file-view';

const NAMES: readonly (readonly [symbol: string, name: string])[] = [
  ['main', 'main'],
  ['_Z3fooi', 'foo(int)'],
  ['_Z1fv', 'f()'],
  ['_ZN2at4addmERKNS_6TensorES2_', 'at::addm(at::Tensor const&, at::Tensor const&)'],
  ['_ZNK3Foo3barEv', 'Foo::bar() const'],
  ['_ZNSt6vectorIiSaIiEE9push_backERKi', 'std::vector<int, std::allocator<int> >::push_back(int const&)'],
  ['_ZNSsC1EPKcRKSaIcE', 'std::basic_string<char, std::char_traits<char>, std::allocator<char> >::basic_string(char const*, std::allocator<char> const&)'],
  ['_Z3maxIiET_S0_S0_', 'int max<int>(int, int)'],
  ['_Z4callIJidEEvDpOT_', 'void call<int, double>(int&&, double&&)'],
  ['_ZZ4mainENKUliE_clEi', 'main::{lambda(int)#1}::operator()(int) const'],
  ['_ZN12_GLOBAL__N_11fEv', '(anonymous namespace)::f()'],
  ['_Z1gPFivE', 'g(int (*)())'],
  ['_Z1gPPFivE', 'g(int (**)())'],
  ['_Z1hRA3_i', 'h(int (&) [3])'],
  ['_Z1mM1AFvvE', 'm(void (A::*)())'],
  ['_ZN1AcvT_IiEEv', 'A::operator int<int>()'],
  ['_ZNSt3foolsERSo', 'std::foo::operator<<(std::ostream&)'],
  ['_ZTV3Foo', 'vtable for Foo'],
  ['_ZThn16_N1B1fEv', 'non-virtual thunk to B::f()'],
  ['_ZGVZ1fvE1x', 'guard variable for f()::x'],
  ['_Z3fooB5cxx11v', 'foo[abi:cxx11]()'],
  ['_Z3fooi.cold', 'foo(int) [clone .cold]'],
  ['_Z3fooi.constprop.0.isra.0', 'foo(int) [clone .constprop.0] [clone .isra.0]'],
  ['_ZN4core3ptr13drop_in_place17h0123456789abcdefE', 'core::ptr::drop_in_place'],
  ['_ZN72_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..iter..Extend$LT$T$GT$$GT$6extend17h0123456789abcdefE', '<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend'],
  ['_RNvCs1234_7mycrate3foo', 'mycrate::foo'],
  ['_RINvNtC3std3mem8align_ofdE', 'std::mem::align_of::<f64>'],
  ['_RNCNvC4main4main0', 'main::main::{closure#0}'],
  ['memcpy@@GLIBC_2.14', 'memcpy'],
  ['_Znonsense', '_Znonsense'],
  ['_Z', '_Z'],
];

const hasFilter = spawnSync('c++filt', ['--version']).status === 0;
if (!hasFilter) console.log('skipped: our names beside c++filt\'s, there is no c++filt (apt-get install binutils)');

/** Mangled names of a file's first symbol table, every n-th so that there are at most `most`. */
function mangledNames(path: string, most: number): string[] {
  const elf = ElfFile.open(memorySource(new Uint8Array(readFileSync(path))));
  const area = elf?.symbolAreas()[0];
  if (elf === null || area === undefined) return [];
  const names = Buffer.from(elf.view.bytes(area.names, Math.min(area.namesSize, 4 << 20))).toString('latin1').split('\0').slice(0, -1).filter((name) => /^_[ZR]/.test(name));
  const step = Math.ceil(names.length / most);
  return names.filter((_, i) => i % step === 0).map((name) => name.replace(/@.*/, ''));
}

/** c++filt writes Rust's hashes and the types of its constants, and a comma for each empty pack: none of it helps a reader. */
function simplify(name: string): string {
  return name.replace(/\[[0-9a-f]{1,16}\]/g, '').replace(/(?<=\w): (?:[iu](?:\d+|size)|bool)\b/g, '').replace(/::h[0-9a-f]{16}$/, '')
    .replace(/, (?=[,>)])/g, '').replace(/(?<=[<(]), /g, '').replace(/\s/g, '');
}

describe('names of symbols', () => {
  test.each(NAMES)('%s', (symbol, name) => {
    expect(readableName(symbol).name).toBe(name);
  });

  const libraries: readonly (readonly [path: string, share: number])[] = [
    ['/usr/lib/x86_64-linux-gnu/libstdc++.so.6', 1],
    [process.execPath, 0.99],
  ];
  test.skipIf(!hasFilter).each(libraries)('of %s read as c++filt writes them', (path, share) => {
    if (!existsSync(path)) {
      console.log(`skipped: no ${path}`);
      return;
    }
    const names = mangledNames(path, 3000);
    const theirs = spawnSync('c++filt', { input: `${names.join('\n')}\n`, maxBuffer: 1 << 28 }).stdout.toString('latin1').split('\n');
    const differ = names.filter((name, i) => simplify(readableName(name, true).name) !== simplify(theirs[i]));
    console.log(`${path}: ${names.length - differ.length} of ${names.length} names as c++filt has them`);
    expect(differ.length).toBeLessThanOrEqual(names.length * (1 - share));
  }, 60_000);

  test('languages are told apart', () => {
    expect(readableName('_ZN4core3ptr13drop_in_place17h0123456789abcdefE').language).toBe('rust');
    expect(readableName('_RNvC7mycrate3foo').language).toBe('rust');
    expect(readableName('_Z3fooi').language).toBe('c++');
    expect(readableName('foo').language).toBe('other');
  });
});

describe('names that nobody wrote', () => {
  const seeds = NAMES.map(([symbol]) => symbol);

  test('never throw and never grow without bound', () => {
    const letters = fc.array(fc.constantFrom(...'SITNEJRPOKFvi_0123456789LXZDpCUlAMsrcladtT'.split('')), { maxLength: 120 }).map((list) => list.join(''));
    fc.assert(fc.property(fc.constantFrom('_Z', '_ZN', '_ZZ', '_R', '_RIN', '_ZN4core'), letters, (start, rest) => {
      expect(readableName(start + rest).name.length).toBeLessThan(200_000);
    }), { numRuns: 3000 });
    fc.assert(fc.property(fc.constantFrom(...seeds), fc.nat(60), fc.constantFrom(...'SITNEJRPv_019sE'.split('')), (seed, at, letter) => {
      readableName(seed.slice(0, at) + letter + seed.slice(at + 1));
      readableName(seed.slice(0, at));
    }), { numRuns: 3000 });
  });

  test('that double with every byte are given up', () => {
    // Each function type holds the one before twice: 2^30 times the first.
    let symbol = '_Z1fPFvvE';
    for (let i = 0; i < 30; i++) symbol += `FS${i.toString(36).toUpperCase()}_S${i.toString(36).toUpperCase()}_E`;
    expect(readableName(symbol).name).toBe(symbol);
    expect(readableName(`_Z1f${'P'.repeat(50_000)}i`).name).toContain('_Z1f');
    expect(readableName(`_R${'NvB_'.repeat(5000)}`).language).toBe('other');
  });
});
