// What is saved or sent holds neither the target's memory nor its environment; what stays here does, and is private.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { openRecording } from '../../../main/library/open.ts';
import { RAW_WARNING, saveRecording } from '../../../main/library/save.ts';
import { ZipReader } from '../../../main/library/zip.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { startRecording } from '../../../main/record/start.ts';

// A thread's environment lies above its stack, and a local array on it: both are in every copied stack.
const PROGRAM = `
#include <stdio.h>
#include <string.h>
volatile unsigned long sink;
__attribute__((noinline)) void work(const char *key) { for (unsigned long i = 0; i < 200000; i++) sink += i ^ (unsigned char)key[i & 7]; }
int main(int argc, char **argv) {
  char planted[64];
  strcpy(planted, "stack-");
  strcat(planted, "planted-in-a-local");
  puts("ready"); fflush(stdout);
  for (;;) work(planted);
}
`;
const STACK = 'stack-planted-in-a-local';
const ENVIRONMENT = 'environment-planted-value';

const here = findTool('perf') !== null && findTool('gcc') !== null;
if (!here) console.log('skipped: what a saved recording holds, because perf or gcc is not installed');

let home: string;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'fb-save-'));
  if (!here) return;
  writeFileSync(join(home, 'p.c'), PROGRAM);
  execFileSync('gcc', ['-O1', '-o', join(home, 'planted'), join(home, 'p.c')]);
  chmodSync(join(home, 'planted'), 0o755);
  const child = spawn(join(home, 'planted'), [], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, PLANTED: ENVIRONMENT } });
  children.push(child);
  await new Promise((ready) => child.stdout.once('data', ready));
  const recording = await startRecording({
    target: { kind: 'attach', processes: [{ pid: child.pid ?? 0, start: 0 }], children: false }, options: { ...FIRST_OPTIONS, profilers: ['perf'], stacks: 'dwarf' },
    terminal: 'pty', home,
  });
  while (recording.live && recording.status().samples <= 30) await new Promise((next) => setTimeout(next, 50));
  await recording.stop();
  folder = recording.folder;
  await recording.dispose();
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

test.skipIf(!here)('a saved recording holds no memory of the target; with raw it does, and says so', async () => {
  const raw = readdirSync(join(folder, 'streams')).map((name) => zstdDecompressSync(readFileSync(join(folder, 'streams', name))));
  expect(raw.some((bytes) => bytes.includes(STACK))).toBe(true);

  const out = join(home, 'saved.flamebench');
  expect((await saveRecording(folder, out, { withRaw: false })).warnings).toEqual([]);
  const zip = new ZipReader(out);
  for (const name of zip.entries.keys()) {
    const entry = zip.open(name);
    const bytes = Buffer.from(entry?.read(0, entry.size) ?? []);
    const plain = name.endsWith('.zst') ? zstdDecompressSync(bytes) : bytes;
    for (const planted of [STACK, ENVIRONMENT]) expect(plain.includes(planted), `${planted} in ${name}`).toBe(false);
    expect(name.startsWith('streams/perf')).toBe(false);
  }
  zip.close();
  // The tables of deltas.bin may be packed: what they unpack to holds nothing either.
  const profile = await openRecording(out);
  expect(profile.strings.values.some((value) => value.includes('planted-in') || value.includes(ENVIRONMENT))).toBe(false);
  expect(profile.lane('cpu')?.samples).toBeGreaterThan(30);

  const withRaw = join(home, 'raw.flamebench');
  expect((await saveRecording(folder, withRaw, { withRaw: true })).warnings).toEqual([RAW_WARNING]);
  const rawZip = new ZipReader(withRaw);
  expect([...rawZip.entries.keys()].some((name) => name.startsWith('streams/perf'))).toBe(true);
  rawZip.close();
});

test.skipIf(!here)('everything in a recording is private, and any unzip opens what is saved', async () => {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    expect([entry.name, (statSync(join(entry.parentPath, entry.name)).mode & 0o777).toString(8)]).toEqual([entry.name, entry.isDirectory() ? '700' : '600']);
  }
  const out = join(home, 'again.flamebench');
  await saveRecording(folder, out, { withRaw: false });
  expect(readFileSync(out).toString('latin1', 30, 30 + 8 + 30)).toBe('mimetypeapplication/vnd.flamebench+zip');
  const python = spawnSync('python3', ['-c', 'import zipfile,sys; z = zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.namelist()[:2])', out], { encoding: 'utf8' });
  expect(python.stdout.trim()).toBe("None ['mimetype', 'recording.json']");
  // Packed again by another program (deflate, another order) it still opens.
  spawnSync('python3', ['-c', `
import zipfile, sys
a = zipfile.ZipFile(sys.argv[1]); b = zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED)
for name in reversed(a.namelist()): b.writestr(name, a.read(name))
b.close()`, out, join(home, 'repacked.flamebench')]);
  const profile = await openRecording(join(home, 'repacked.flamebench'));
  expect(profile.lanes[0].samples).toBe((await openRecording(out)).lanes[0].samples);
});

test.skipIf(!here)('the tables are Arrow files that pyarrow reads without us', async () => {
  const found = spawnSync('python3', ['-c', 'import pyarrow'], { encoding: 'utf8' });
  if (found.status !== 0) {
    console.log('skipped: the tables in pyarrow, because it is not installed (pip install pyarrow)');
    return;
  }
  const profile = await openRecording(folder);
  const python = spawnSync('python3', ['-c', `
import pyarrow.ipc, sys, json, os
t = {}
for name in os.listdir(sys.argv[1]):
    t[name[:-6]] = pyarrow.ipc.open_file(os.path.join(sys.argv[1], name)).read_all()
samples = next(v for k, v in t.items() if k.startswith('samples-cpu'))
leaf = {}
frames = t['stacks']['frame'].to_pylist(); functions = t['frames']['function'].to_pylist(); names = t['functions']['name'].to_pylist()
for stack, weight in zip(samples['stack'].to_pylist(), samples['weight'].to_pylist()):
    if stack >= 0:
        name = names[functions[frames[stack]]]; leaf[name] = leaf.get(name, 0) + weight
print(json.dumps({'rows': samples.num_rows, 'weight': sum(samples['weight'].to_pylist()), 'count': sum(samples['count'].to_pylist()), 'top': max(leaf, key=leaf.get), 'tables': sorted(t)}))
`, join(folder, 'tables')], { encoding: 'utf8' });
  expect(python.stderr).toBe('');
  const lane = profile.lanes[0];
  const seen = JSON.parse(python.stdout) as { rows: number; weight: number; count: number; top: string; tables: string[] };
  expect(seen).toMatchObject({ rows: lane.rows, count: lane.samples, top: 'work' });
  expect(seen.weight).toBeCloseTo(lane.total, 0);
  expect(seen.tables).toEqual(expect.arrayContaining(['strings', 'functions', 'frames', 'stacks', 'processes', 'threads', 'tracks', 'marks']));
});
