// The same work by us and by the tool that others use for it, in the same call. Peers are optional: their paths are given.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Figure } from './report.ts';
import { median } from './report.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const DATA = resolve(ROOT, '../shared/data');
const BIN = join(ROOT, 'main/cli/bin.ts');

/** User and system seconds of a command, median of `times` runs; null where it fails. */
function cpuOf(argv: readonly string[], times: number): { seconds: number; out: string } | null {
  const taken: number[] = [];
  let out = '';
  for (let run = 0; run < times; run++) {
    const result = spawnSync('sh', ['-c', '"$@" > "$OUT"; echo "status $?" >&2; times >&2', 'sh', ...argv], {
      encoding: 'utf8', env: { ...process.env, OUT: '/dev/null', HOME: '/nonexistent' }, maxBuffer: 1 << 28,
    });
    if (!result.stderr.includes('status 0')) return null;
    out = result.stderr;
    // `times` prints the shell's own times, then its children's: `0m1.234s 0m0.056s`.
    const line = result.stderr.trim().split('\n').at(-1) ?? '';
    const parts = [...line.matchAll(/(\d+)m([\d.]+)s/g)].map((match) => Number(match[1]) * 60 + Number(match[2]));
    taken.push((parts[0] ?? 0) + (parts[1] ?? 0));
  }
  return { seconds: median(taken), out };
}

function unpacked(path: string, folder: string, name: string): string | null {
  if (existsSync(path)) return path;
  if (!existsSync(`${path}.xz`)) return null;
  const to = join(folder, name);
  writeFileSync(to, spawnSync('xz', ['-dc', `${path}.xz`], { maxBuffer: 1 << 30 }).stdout);
  return to;
}

export function peers(options: { stackcollapse: string | null; perf: string | null }): Figure[] {
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-peers-'));
  const figures: Figure[] = [];
  const node = process.execPath;
  try {
    // Fold: one recording's text, repeated until it is of a size that matters.
    const text = unpacked(join(DATA, 'others/perf-script/algnet/out.perf'), folder, 'out.perf');
    if (text === null) figures.push({ what: 'fold perf script text', value: 'not run: ../shared/data is not here', aim: '' });
    else {
      const big = join(folder, 'big.perf');
      const one = readFileSync(text);
      const copies = Math.max(1, Math.ceil(60e6 / one.length));
      writeFileSync(big, Buffer.concat(Array.from({ length: copies }, () => one)));
      const ours = cpuOf([node, BIN, 'convert', big, '-o', join(folder, 'o.folded'), '--force'], 3);
      const theirs = options.stackcollapse === null ? null : cpuOf(['perl', options.stackcollapse, big], 3);
      figures.push({
        what: `fold ${(statSync(big).size / 1e6).toFixed(0)} MB of perf script text, CPU time with start`,
        value: `${ours === null ? 'failed' : `${ours.seconds.toFixed(2)} s`}${theirs === null || ours === null ? '; stackcollapse-perf.pl not given (--stackcollapse PATH)' : `, perl ${theirs.seconds.toFixed(2)} s: ${(theirs.seconds / ours.seconds).toFixed(1)}x`}`,
        aim: '5x',
      });
    }
    // Decode: the same perf.data by perf script.
    for (const [title, path] of [['76,159 samples, no chains', 'others/perf-data/ausaxs/perf.data'], ['391 samples, fp', 'recorded/live/perf/cpu-fp.file.data']] as const) {
      const data = unpacked(join(DATA, path), folder, 'perf.data');
      if (data === null) { figures.push({ what: `decode perf.data (${title})`, value: 'not run: ../shared/data is not here', aim: '' }); continue; }
      const ours = cpuOf([node, BIN, 'top', data], 3);
      const theirs = options.perf === null ? null : cpuOf([options.perf, 'script', '-i', data], 3);
      figures.push({
        what: `decode perf.data (${title}), CPU time with start`,
        value: `${ours === null ? 'failed' : `${ours.seconds.toFixed(2)} s`}${theirs === null || ours === null ? '; perf script not run' : `, perf script ${theirs.seconds.toFixed(2)} s: ${(theirs.seconds / ours.seconds).toFixed(1)}x`}`,
        aim: '20x',
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return figures;
}
