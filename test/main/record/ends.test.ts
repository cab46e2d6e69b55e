// Every way a recording can end leaves the samples that had come, no profiler, no FIFO, and an attached target as it was.
import { spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Library } from '../../../main/library/library.ts';
import { openRecording } from '../../../main/library/open.ts';
import { recoverAll } from '../../../main/library/recover.ts';
import { readRecordingFile } from '../../../main/library/recording-file.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { BUSY_PYTHON, Host, runs, startTarget } from './helpers.ts';

const noPySpy = findTool('py-spy') === null;
if (noPySpy) console.log('skipped: recordings of real processes, because py-spy is not installed');

let home: string;
let script: string;
const children: ChildProcess[] = [];
const hosts: Host[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fb-ends-'));
  script = join(home, 'busy.py');
  writeFileSync(script, BUSY_PYTHON);
});
afterEach(() => {
  for (const host of hosts.splice(0)) host.child.kill('SIGKILL');
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

function host(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Host {
  const made = new Host(args, environment);
  hosts.push(made);
  return made;
}

test.skipIf(noPySpy)('kill -9 of the app: what had come is there, its profilers are ended, the target lives', async () => {
  const pid = await startTarget(['python3', script], children);
  const app = host([home, 'attach', String(pid)]);
  const { folder = '' } = await app.until((report) => report.folder !== undefined);
  const seen = await app.until((report) => (report.samples ?? 0) > 60 && (report.children?.length ?? 0) > 0);
  app.child.kill('SIGKILL');
  await app.exited;

  const library = new Library(home);
  expect(library.list()).toEqual([]);
  const [recovered] = await recoverAll(library);
  expect(recovered.error).toBe('');
  // At most the last 250 ms may be missing, and what the host reported is older than that.
  expect(recovered.samples).toBeGreaterThanOrEqual(seen.samples ?? 0);
  for (const child of seen.children ?? []) expect(runs(child)).toBe(false);
  expect(runs(pid)).toBe(true);
  expect(existsSync(join(folder, 'scratch'))).toBe(false);
  expect(existsSync(join(folder, 'tables', 'stacks.arrow'))).toBe(true);
  expect(library.list()).toMatchObject([{ recovered: true, title: 'busy.py' }]);
  const profile = await openRecording(folder);
  expect(profile.lanes[0].samples).toBe(recovered.samples);
  expect(profile.info.notes.join()).toMatch(/Recovered/);
  // The next start has nothing to do.
  expect(await recoverAll(library)).toEqual([]);
});

test.skipIf(noPySpy)('the target is killed: the recording ends by itself and is whole', async () => {
  const pid = await startTarget(['python3', script], children);
  const app = host([home, 'attach', String(pid)]);
  await app.until((report) => (report.samples ?? 0) > 30);
  process.kill(pid, 'SIGKILL');
  const last = await app.until((report) => report.end !== undefined);
  expect(last.samples).toBeGreaterThan(30);
  expect(last.end?.error).toBe('');
  const folder = app.reports[0].folder ?? '';
  expect(readRecordingFile(folder).state).toBe('sealed');
  expect(last.notices?.map((notice) => notice.id)).toContain('target-ended');
});

test.skipIf(findTool('perf') === null)('kill -9 of perf: what had come is kept, it is started again, the target lives', async () => {
  const pid = await startTarget(['python3', script], children);
  const app = host([home, 'attach', String(pid)], { HOST_PROFILERS: 'perf' });
  const seen = await app.until((report) => (report.samples ?? 0) > 30 && (report.children?.length ?? 0) > 0);
  for (const profiler of seen.children ?? []) process.kill(profiler, 'SIGKILL');
  await app.until((report) => (report.children?.length ?? 0) > 0 && !report.children?.some((child) => seen.children?.includes(child)));
  await app.until((report) => (report.samples ?? 0) > (seen.samples ?? 0) + 100);
  app.child.kill('SIGTERM');
  const last = await app.until((report) => report.end !== undefined);
  expect(last.notices?.map((notice) => notice.text).join()).toMatch(/perf was ended by SIGKILL/);
  expect(runs(pid)).toBe(true);
  expect((await openRecording(app.reports[0].folder ?? '')).lane('cpu')?.samples).toBe(last.samples);
});

test.skipIf(noPySpy)('SIGTERM stops cleanly; SIGHUP stops nothing', async () => {
  const pid = await startTarget(['python3', script], children);
  const app = host([home, 'attach', String(pid)]);
  const before = await app.until((report) => (report.samples ?? 0) > 20);
  app.child.kill('SIGHUP');
  await app.until((report) => report.hup === true);
  await app.until((report) => (report.samples ?? 0) > (before.samples ?? 0) + 20);
  const { children: profilers = [] } = await app.until((report) => (report.children?.length ?? 0) > 0);
  app.child.kill('SIGTERM');
  await app.until((report) => report.end !== undefined);
  await app.exited;
  const folder = app.reports[0].folder ?? '';
  expect(readRecordingFile(folder).state).toBe('sealed');
  expect(readdirSync(folder).sort()).toEqual(['deltas.bin', 'recording.json', 'streams', 'tables', 'terminal.cast']);
  for (const profiler of profilers) expect(runs(profiler)).toBe(false);
  expect(runs(pid)).toBe(true);
});

test.skipIf(noPySpy)('a launched command gives its exit code, its secrets are masked', async () => {
  writeFileSync(script, `${BUSY_PYTHON.replace('while True', 'for _ in range(3000)')}\nsys.exit(7)\n`);
  const app = host([home, 'launch', 'python3', script, '--api-key', 'sesame-1', '--password=sesame-2', 'https://me:sesame-3@host/x'], {
    HOST_ENVIRONMENT: JSON.stringify({ HF_TOKEN: 'sesame-4', PLAIN: 'shown' }),
  });
  const last = await app.until((report) => report.end !== undefined);
  expect(last.end).toMatchObject({ exitCode: 7, signal: null });
  const folder = app.reports[0].folder ?? '';
  const found = spawnSync('grep', ['-rl', 'sesame', folder], { encoding: 'utf8' });
  expect(found.stdout).toBe('');
  // The tables are packed: what they unpack to is clean too.
  const profile = await openRecording(folder);
  expect(profile.strings.values.filter((value) => value.includes('sesame'))).toEqual([]);
  expect(JSON.stringify(profile.info)).not.toContain('sesame');
  const file = readRecordingFile(folder);
  expect(file.command).toContain('--api-key *** --password=*** https://me:***@host/x');
  expect(file.target).toMatchObject({ environment: { HF_TOKEN: '***', PLAIN: 'shown' } });
  expect(file.exit).toEqual({ code: 7, signal: null });
});

test.skipIf(noPySpy || process.getuid?.() !== 0)('a full disk ends the recording, keeps what is there, says how much', async () => {
  const disk = join(home, 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
  if (mounted.status !== 0) {
    console.log(`skipped: a full disk, because no tmpfs could be mounted: ${mounted.stderr.toString().trim()}`);
    return;
  }
  try {
    const pid = await startTarget(['python3', script], children);
    const app = host([disk, 'attach', String(pid)]);
    await app.until((report) => (report.samples ?? 0) > 30);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(7_500_000));
    const last = await app.until((report) => report.end !== undefined);
    expect(last.end?.error).toMatch(/disk is full/);
    expect(last.samples).toBeGreaterThan(30);
    expect(last.notices?.find((notice) => notice.id === 'disk')?.text).toMatch(/left|on disk/);
    const profile = await openRecording(app.reports[0].folder ?? '');
    expect(profile.lanes[0].samples).toBeGreaterThan(30);
    await app.exited;
    // A disk in its last tenth is refused before anything starts.
    const refused = host([disk, 'attach', String(pid)]);
    await expect(refused.until((report) => report.folder !== undefined)).rejects.toThrow(/never uses the last tenth/);
    expect(runs(pid)).toBe(true);
  } finally {
    for (const one of hosts) one.child.kill('SIGKILL');
    await Promise.all(hosts.map((one) => one.exited));
    spawnSync('umount', [disk]);
  }
});
