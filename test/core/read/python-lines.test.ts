// Lines of instructions, laid beside what Python itself says of its own code (3.11 and later).
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { lineAt } from '#core/read/python-memory';

const SCRIPT = `
import json, sys, argparse, textwrap, threading
if sys.version_info < (3, 11): sys.exit(3)
out = []
def add(code):
    out.append([code.co_firstlineno, code.co_linetable.hex(), [[a, b, line] for a, b, line in code.co_lines()]])
    for one in code.co_consts:
        if hasattr(one, 'co_linetable'): add(one)
for module in (argparse, textwrap, threading):
    with open(module.__file__) as file: add(compile(file.read(), module.__file__, 'exec'))
print(json.dumps(out))
`;

test('as Python tells them, for all code of some modules', () => {
  const ran = spawnSync('python3', ['-c', SCRIPT], { encoding: 'utf8', maxBuffer: 1 << 27 });
  if (ran.status !== 0) {
    console.log(`skipped: lines of Python's code, python3 ended with ${ran.status ?? ran.error?.message}`);
    return;
  }
  const codes = JSON.parse(ran.stdout) as [number, string, [number, number, number | null][]][];
  expect(codes.length).toBeGreaterThan(100);
  for (const [first, table, lines] of codes) {
    const bytes = new Uint8Array(Buffer.from(table, 'hex'));
    for (const [start, end, line] of lines) {
      for (let offset = start; offset < end; offset += 2) expect([offset, lineAt(bytes, first, offset)]).toEqual([offset, line ?? 0]);
    }
  }
});

test('a table that is cut or no table at all', () => {
  expect(lineAt(new Uint8Array(0), 7, 100)).toBe(7);
  for (let length = 1; length < 64; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 73 + length * 31) & 255);
    const line = lineAt(bytes, 1, 10_000);
    expect(Number.isSafeInteger(line) && line >= 0).toBe(true);
  }
});
