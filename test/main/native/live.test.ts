import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PerfDecoder } from '#core/read/perf/decoder';
import { FRAME_RULES } from '#core/model/tables';
import { Profile } from '#core/model/profile';
import { LiveSources } from '../../../main/native/live-sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'flamebench-native-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const program = join(folder, 'stacks');
let why = '';

beforeAll(() => {
  const source = new URL('stacks.c', import.meta.url).pathname;
  const compiled = spawnSync('cc', ['-O2', '-fomit-frame-pointer', '-fno-optimize-sibling-calls', source, '-o', program]);
  if (compiled.status !== 0) why = `no C compiler: ${String(compiled.error ?? compiled.stderr)}`;
  const tried = spawnSync('perf', ['record', '-q', '-o', '-', '-e', 'cpu-clock', '--', 'true']);
  if (why === '' && (tried.status !== 0 || tried.stdout.length < 100)) why = `perf cannot record here: ${String(tried.error ?? tried.stderr)}`;
});

interface Recorded {
  readonly profile: Profile;
  readonly decoder: PerfDecoder;
  /** Stacks of user frames, root first, most frequent first. */
  readonly stacks: readonly string[];
  readonly roots: number;
}

/** Runs a command, records it for a second with copied stacks, and decodes while it still lives. */
async function record(command: readonly string[], stackBytes: number, waitMs = 100, cwd = folder): Promise<Recorded> {
  const target = spawn(command[0], command.slice(1), { cwd, stdio: 'ignore' });
  try {
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    const perf = spawnSync('perf', [
      'record', '-q', '-o', '-', '-e', 'cpu-clock', '-F', '199', '-k', 'CLOCK_MONOTONIC', '--buildid-mmap', '--call-graph', `dwarf,${stackBytes}`, '-p', String(target.pid),
      '--', 'sleep', '1',
    ], { maxBuffer: 1 << 28 });
    const profile = new Profile();
    const sources = new LiveSources();
    const decoder = new PerfDecoder(profile, {
      zeroAt: null, stacks: 'dwarf', rateHz: 199, directory: cwd, source: '', live: false, sources,
      context: { name: 'live', openFile: () => null, inflater: () => { throw new Error('not compressed'); } },
    });
    decoder.push(perf.stdout);
    decoder.end();
    sources.close();
    const counts = new Map<string, number>();
    for (const lane of profile.lanes) {
      for (const chunk of lane.chunks) {
        for (let row = 0; row < chunk.rows; row++) {
          const name = describeStack(profile, chunk.stack[row]);
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
      }
    }
    const stacks = [...counts].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    return { profile, decoder, stacks, roots: decoder.shared.unwinder.ends.root };
  } finally {
    target.kill('SIGKILL');
  }
}

function describeStack(profile: Profile, stack: number): string {
  return profile.stacks.framesOf(stack as Parameters<Profile['stacks']['framesOf']>[0])
    .filter((frame) => profile.functions.kindOf(profile.frames.functionOf(frame)) !== 'kernel')
    .map((frame) => profile.functions.nameOf(profile.frames.functionOf(frame)).replace(/\.(?:isra|constprop|part)\.\d+/g, '')).join(' > ');
}

describe('a live process, recorded by perf', () => {
  test('with a callback through libc has the whole stack, without frame pointers', async ({ skip }) => {
    if (why !== '') skip(why);
    const { stacks, decoder, profile } = await record([program, 'callback'], 8192);
    expect(stacks[0]).toMatch(/^_start > .*main > (?:by_callback > )?.*qsort.* > compare > spin$/);
    expect(decoder.shared.unwinder.ends).toMatchObject({ truncated: 0, lost: 0 });
    const own = [...Array(profile.functions.length).keys()].filter((fn) => profile.functions.isOwn(fn as Parameters<Profile['functions']['isOwn']>[0]));
    expect(own.map((fn) => profile.functions.nameOf(fn as Parameters<Profile['functions']['nameOf']>[0]).split('.')[0])).toEqual(expect.arrayContaining(['spin', 'compare']));
  });

  test('in a signal handler shows what was interrupted', async ({ skip }) => {
    if (why !== '') skip(why);
    const { stacks, decoder } = await record([program, 'signal'], 8192);
    expect(stacks[0]).toMatch(/ > main > (?:by_signal > )?.*raise > .*> on_signal > spin$/);
    expect(decoder.shared.unwinder.ends).toMatchObject({ truncated: 0, lost: 0 });
  });

  test('deeper than the copy is cut, and says so', async ({ skip }) => {
    if (why !== '') skip(why);
    const { stacks, decoder } = await record([program, 'deep'], 8192);
    expect(stacks[0]).toMatch(/deep > deep > deep > spin$/);
    const { root, truncated, lost } = decoder.shared.unwinder.ends;
    expect(lost).toBe(0);
    expect(truncated).toBeGreaterThan(root);
  });

  test('of node reaches its root through code of the JIT', async ({ skip }) => {
    if (why !== '') skip(why);
    const script = join(folder, 'busy.js');
    writeFileSync(script, 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\nfor (;;) fib(25);\n');
    const { decoder, stacks } = await record([process.execPath, '--perf-basic-prof', script], 16384, 1500);
    const { root, truncated, lost } = decoder.shared.unwinder.ends;
    console.log(`node: ${root} of ${root + truncated + lost} stacks reach the root`);
    expect(root / (root + truncated + lost)).toBeGreaterThan(0.95);
    expect(stacks[0]).toMatch(/_start > .*node::Start.* > fib$/);
  });

  test('of python -X perf has Python and C frames in one stack', async ({ skip }) => {
    if (why !== '') skip(why);
    const python = ['/root/.pyenv/versions/3.12.1/bin/python3.12', 'python3.12', 'python3.13'].find((path) => spawnSync(path, ['-X', 'perf', '-c', '']).status === 0);
    if (python === undefined) {
      skip('no Python with -X perf');
      return;
    }
    const script = join(folder, 'busy.py');
    writeFileSync(script, 'def inner(n):\n  return sum(i * i for i in range(n))\n\ndef outer():\n  while True:\n    inner(1000)\n\nouter()\n');
    const { decoder, profile, stacks } = await record([python, '-X', 'perf', script], 8192, 1000);
    const { root, truncated, lost } = decoder.shared.unwinder.ends;
    console.log(`python -X perf: ${root} of ${root + truncated + lost} stacks reach the root`);
    expect(root / (root + truncated + lost)).toBeGreaterThan(0.95);
    expect(stacks[0]).toMatch(/_start > .*<module> > .*outer > .*inner/);
    expect(decoder.shared.spaces.stats.framesByRule[FRAME_RULES.indexOf('trampoline')]).toBeGreaterThan(0);
    expect([...Array(profile.functions.length).keys()].some((fn) => profile.functions.kind.get(fn) === 1)).toBe(true);
  });
});

describe('this machine as a source', () => {
  test('has its vdso, with a name for clock_gettime', () => {
    const sources = new LiveSources();
    const vdso = sources.vdso(process.pid);
    expect(vdso === null ? 'none' : Buffer.from(vdso.read(0, vdso.size)).includes('__vdso_clock_gettime')).toBe(true);
    sources.close();
  });

  test('refuses a file with another build id', () => {
    const sources = new LiveSources();
    expect(sources.elf(process.execPath, process.pid, '')).not.toBeNull();
    expect(sources.elf(process.execPath, process.pid, 'ffffffffffffffffffffffffffffffffffffffff')).toBeNull();
    expect(sources.elf('/no/such/file', process.pid, '')).toBeNull();
    expect(sources.elf('/tmp', process.pid, '')).toBeNull();
    sources.close();
  });

  test('still reads a file that was deleted, and one that its process alone still has', async ({ skip }) => {
    if (why !== '') skip(why);
    const copy = join(folder, 'gone');
    writeFileSync(copy, readFileSync(program), { mode: 0o755 });
    const sources = new LiveSources();
    const open = sources.elf(copy, process.pid, '');
    const target = spawn(copy, ['callback'], { stdio: 'ignore' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    rmSync(copy);
    expect(open?.read(1, 3)).toEqual(new TextEncoder().encode('ELF'));
    const again = new LiveSources();
    expect(again.elf(copy, target.pid ?? 0, '')?.read(1, 3)).toEqual(new TextEncoder().encode('ELF'));
    target.kill('SIGKILL');
    sources.close();
    again.close();
  });

  test('keeps a bounded number of files open and opens them again', () => {
    const sources = new LiveSources({ openFiles: 2 });
    const paths = ['a', 'b', 'c'].map((name) => join(folder, name));
    const files = paths.map((path) => {
      writeFileSync(path, `bytes of ${path}`);
      return sources.elf(path, process.pid, '');
    });
    expect(files.map((file) => new TextDecoder().decode(file?.read(9, 1000)))).toEqual(paths);
    writeFileSync(paths[0], 'another file');
    files[2]?.read(0, 1);
    files[1]?.read(0, 1);
    expect(() => files[0]?.read(0, 4)).toThrow(/was replaced/);
    sources.close();
  });

  test('hands out what a perf map has gained, once', () => {
    const path = `/tmp/perf-${process.pid}.map`;
    const sources = new LiveSources();
    try {
      writeFileSync(path, '1000 10 one\n');
      expect(sources.perfMap(process.pid)).toBe('1000 10 one\n');
      expect(sources.perfMap(process.pid)).toBe('');
      writeFileSync(path, '1000 10 one\n2000 10 zwölf\n');
      expect(sources.perfMap(process.pid)).toBe('2000 10 zwölf\n');
    } finally {
      rmSync(path, { force: true });
      sources.close();
    }
  });
});
