import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CollapseOptions } from '#core/read/perf-collapse';
import { PerfCollapser } from '#core/read/perf-collapse';
import { pieces, sharedData, textOf } from './shared-data.ts';

function fold(input: Uint8Array | string, options: CollapseOptions = {}, size = 1 << 16): string {
  const collapser = new PerfCollapser(options);
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  for (const piece of pieces(bytes, size)) collapser.push(piece);
  collapser.end();
  return textOf(collapser.lines());
}

const GOLDENS = ['cycles-instructions', 'dd-stacks', 'iperf-stacks-pidtid', 'java-stacks', 'mirageos-stacks'];
const SWITCHES: Record<string, CollapseOptions> = {
  all: { kernel: true, jit: true }, kernel: { kernel: true }, jit: { jit: true }, pid: { pid: true }, tid: { tid: true }, addrs: { addrs: true },
};

describe('as stackcollapse-perf.pl', () => {
  for (const name of GOLDENS) {
    for (const [option, options] of Object.entries(SWITCHES)) {
      test(`${name} --${option}`, () => {
        const input = sharedData(`others/perf-script/FlameGraph/perf-${name}-01.txt`);
        const golden = sharedData(`others/perf-script/FlameGraph/results/perf-${name}-01-collapsed-${option}.txt`);
        if (input === null || golden === null) return;
        const text = Buffer.from(input).toString('latin1');
        // The script drops the last sample of a file that does not end in a blank line: so does this input.
        const perl = text.endsWith('\n\n') ? text : text.slice(0, text.lastIndexOf('\n\n') + 2);
        expect(fold(Buffer.from(perl, 'latin1'), options)).toBe(Buffer.from(golden).toString());
      });
    }
    test(`${name}: the last sample is kept; by default nothing is annotated`, () => {
      const input = sharedData(`others/perf-script/FlameGraph/perf-${name}-01.txt`);
      if (input === null) return;
      const kept = name === 'cycles-instructions' ? 'all' : 'all.last-sample-kept';
      const golden = sharedData(`others/perf-script/FlameGraph/results/perf-${name}-01-collapsed-${kept}.txt`);
      if (golden === null) return;
      const expected = Buffer.from(golden).toString();
      expect(fold(input, { kernel: true, jit: true })).toBe(expected);
      expect(fold(input).trimEnd().split('\n').sort()).toEqual(expected.replaceAll('_[k]', '').replaceAll('_[j]', '').trimEnd().split('\n').sort());
      for (const size of [1, 7, 100]) expect(fold(input, { kernel: true, jit: true }, size)).toBe(expected);
    });
  }

  test('others: mojo and algnet, defaults', () => {
    for (const [input, golden] of [['mojo/out.perf', 'mojo/out.perf.collapsed.txt'], ['algnet/out.perf', 'algnet/out.folded']]) {
      const [from, to] = [sharedData(`others/perf-script/${input}`), sharedData(`others/perf-script/${golden}`)];
      if (from === null || to === null) continue;
      expect(fold(from)).toBe(Buffer.from(to).toString());
    }
  });

  test('inferno: Go, Rust, one-line samples, no events, a versioned kernel', () => {
    const cases: [string, string, CollapseOptions][] = [
      ['go-stacks', 'go-stacks-collapsed', {}], ['single-event', 'single-event-collapsed', {}],
      ['single-line-stacks', 'single-line-stacks-collapsed', {}], ['no-events', 'no-events-collapsed', {}],
    ];
    for (const [input, expected, options] of cases) {
      const [from, to] = [sharedData(`others/perf-script/inferno/${input}.txt`), sharedData(`others/perf-script/inferno/results/${expected}.txt`)];
      if (from === null || to === null) continue;
      // inferno also demangles legacy Rust names that perf left as they are; the script does not, so neither do we.
      const mangled = 'gc::gc::GcBox$LT$T$GT$::new::_$u7b$$u7b$closure$u7d$$u7d$::ha2ed0674a1c3dc9f';
      const golden = Buffer.from(to).toString().replaceAll('gc::gc::GcBox<T>::new::_{{closure}}', () => mangled);
      expect(fold(from, options).trimEnd().split('\n').sort(), input).toEqual(golden.trimEnd().split('\n').sort());
    }
  });

  test('a large file of one-line samples folds to its totals', () => {
    const input = sharedData('others/perf-script/ausaxs-large/perf-script.txt');
    if (input === null) return;
    const collapser = new PerfCollapser();
    collapser.push(input);
    collapser.end();
    expect(collapser.samples + collapser.otherEvents).toBe(76_159);
    expect(collapser.unrecognised).toBe(0);
  });
});

test('inlined calls, Java names, quotes, arguments, semicolons', () => {
  const input = [
    'java 1/2 [000] 1.000000: 5 cycles:',
    '\t7f00 Lorg/Foo;::bar->Lorg/Foo;::baz (/tmp/perf-1.map)',
    '\t7f01 std::vector<int>::push_back(int const&)+0x1f (/lib/a.so)',
    '\t7f02 (anonymous namespace)::f(int) (/lib/a.so)',
    '\t7f03 (java) (/lib/a.so)',
    '\t7f04 x "quoted\' (/lib/a b.so)', '', 'V8 Worker 7 1.1: cycles:', '\tff main (x)', '',
  ].join('\n');
  expect(fold(input)).toBe([
    // A name that begins with a parenthesis is taken for a process name and left out, as the script does.
    'V8_Worker;main 1',
    'java;x quoted;std::vector<int>::push_back;org/Foo:::bar;org/Foo:::baz_[i] 5', '',
  ].join('\n'));
});

test('any text: no crash, the same at any chunk size', () => {
  const line = fc.oneof(
    fc.constantFrom('', 'a 1 1.0: 2 cycles:', 'bb 12/13 [001] 1.0: cycles:', '\tff main+0x1 (/x)', '  ff [unknown] ([unknown])', '# c', ' cc 5 1.5: 3 cycles: ff main (/x)'),
    fc.string({ maxLength: 30 }),
  );
  fc.assert(fc.property(fc.array(line, { maxLength: 40 }), fc.integer({ min: 1, max: 20 }), (lines, size) => {
    const text = lines.join('\n');
    expect(fold(text, {}, size)).toBe(fold(text));
  }), { numRuns: 300 });
});
