import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';
import { FIRST_OPTIONS } from '#core/protocol/api';
import type { Client } from '#core/protocol/rpc';
import { Workbench } from '../../../main/app/workbench.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { ENDED, openPage, pull } from './page.ts';

let home: string;
let workbench: Workbench;
let client: Client;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'fb-files-'));
  workbench = new Workbench({ home, desktop: false });
  ({ client } = await openPage(workbench));
});
afterEach(async () => {
  await workbench.shutdown();
  rmSync(home, { recursive: true, force: true });
});

const FOLDED = 'main;load 30\nmain;train;forward 50\nmain;train;backward 20\n';

async function openPath(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(home, name);
  writeFileSync(path, bytes);
  return (await client.request('open', { source: { kind: 'path', path } })).body.profile;
}

test('a file of another program opens, plain or packed, and can be saved as a recording', async () => {
  for (const [name, bytes] of [['a.folded', FOLDED], ['b.folded.gz', gzipSync(FOLDED)], ['c.folded.zst', zstdCompressSync(Buffer.from(FOLDED))]] as const) {
    const { profile, status } = await pull(client, await openPath(name, bytes), ENDED);
    expect([name, status.phase, profile.lanes[0].total, profile.info.live]).toEqual([name, 'done', 100, false]);
  }
  const { body } = await client.request('profiles', {});
  expect(body.profiles.map((row) => row.title)).toEqual(['a.folded', 'b.folded.gz', 'c.folded.zst']);
  const saved = await client.request('export', { profile: body.profiles[0].id, format: 'flamebench', view: FIRST_VIEW, picture: FIRST_PICTURE });
  const again = await pull(client, await openPath('saved.flamebench', saved.payload), ENDED);
  expect(again.profile.lanes[0].total).toBe(100);
  await expect(client.request('export', { profile: body.profiles[0].id, format: 'docx', view: FIRST_VIEW, picture: FIRST_PICTURE })).rejects.toThrow(/no export of the kind docx/);
});

test('files of a command line: traces of the ranks of one job as one profile, others one by one', async () => {
  const trace = (rank: number) => JSON.stringify({
    schemaVersion: 1, deviceProperties: [], distributedInfo: { rank, world_size: 2 }, traceEvents: [{ ph: 'X', cat: 'cpu_op', name: 'aten::add', pid: 4, tid: 4, ts: 100, dur: 20, args: {} }],
  });
  const paths = [join(home, 'rank0.json'), join(home, 'rank1.json'), join(home, 'a.folded')];
  for (const [n, path] of paths.entries()) writeFileSync(path, n < 2 ? trace(n) : FOLDED);
  const failures: unknown[] = [];
  await workbench.openFiles(paths.slice(0, 2), (error) => failures.push(error));
  await workbench.openFiles([paths[0], paths[2], join(home, 'none')], (error) => failures.push(error));
  const { body } = await client.request('profiles', {});
  expect(body.profiles.map((row) => row.title)).toEqual(['rank0.json and rank1.json', 'rank0.json', 'a.folded']);
  expect(failures.map(String)).toEqual([expect.stringContaining('there is no file')]);
  const { profile } = await pull(client, body.profiles[0].id, ENDED);
  expect([...profile.processes.rank.view()].sort()).toEqual([0, 1]);
});

test('what cannot be opened is refused in one line, and nothing stays open', async () => {
  await expect(client.request('open', { source: { kind: 'path', path: join(home, 'none') } })).rejects.toThrow(/there is no file/);
  await expect(client.request('open', { source: { kind: 'path', path: home } })).rejects.toThrow(/is a directory/);
  await expect(openPath('empty', '')).rejects.toThrow(/empty/);
  await expect(openPath('garbage', Buffer.from([0, 1, 2, 255, 0, 7]))).rejects.toThrow(/binary data/);
  await expect(openPath('cut.flamebench', Buffer.from('PK\u0003\u0004mimetype'))).rejects.toThrow(/ZIP/);
  await expect(client.request('open', { source: { kind: 'library', id: '../..' } })).rejects.toThrow(/no recording/);
  expect((await client.request('profiles', {})).body.profiles).toEqual([]);
});

test('a packing that was cut keeps what came before the cut and counts it', async () => {
  const many = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `main;f${i * 7919 % 10_007} 1\n`).join(''));
  const packed = gzipSync(many);
  const { profile } = await pull(client, await openPath('cut.folded.gz', packed.subarray(0, packed.length >> 1)), ENDED);
  expect(profile.lanes[0].total).toBeGreaterThan(5000);
  expect([...profile.skipped.keys()].join()).toMatch(/gzip packing ends early/);
});

test('an upload that is not what was announced is refused', async () => {
  const { body } = await client.request('uploadBegin', { name: '../../etc/x.folded', size: 10 });
  await expect(client.request('open', { source: { kind: 'upload', upload: body.upload } })).rejects.toThrow(/0 of 10 bytes/);
  await expect(client.request('uploadChunk', body, new Uint8Array(11))).rejects.toThrow(/more came/);
  await expect(client.request('uploadChunk', { upload: 'other' }, new Uint8Array(1))).rejects.toThrow(/not known/);
});

test('a shell has its command typed and not entered', async () => {
  const proof = join(home, 'proof');
  await expect(client.request('shellOpen', { command: `touch ${proof}\n` })).rejects.toThrow(/control characters/);
  let shown = '';
  client.on('terminalData', (_body, payload) => { shown += new TextDecoder().decode(payload); });
  const { body } = await client.request('shellOpen', { command: `touch ${proof}` });
  const first = await client.request('terminalAttach', body);
  shown = new TextDecoder().decode(first.payload) + shown;
  await expect.poll(() => shown, { timeout: 10_000 }).toContain(`touch ${proof}`);
  expect(existsSync(proof)).toBe(false);
  const exit = new Promise<number | null>((resolve) => { client.on('terminalExit', ({ terminal, code }) => { if (terminal === body.terminal) resolve(code); }); });
  await client.request('terminalWrite', body, new TextEncoder().encode('\r exit 3\r'));
  expect(await exit).toBe(3);
  expect(existsSync(proof)).toBe(true);
});

test('what cannot be recorded is refused before anything is started', async () => {
  const start = (argv: readonly string[], rate = 99) => client.request('recordStart', { target: { kind: 'launch', argv, directory: home, environment: {} }, options: { ...FIRST_OPTIONS, rate } });
  await expect(client.request('recordStart', { target: { kind: 'attach', processes: [{ pid: 4_194_303, start: 0 }], children: true }, options: FIRST_OPTIONS })).rejects.toThrow(/4194303 has ended/);
  await expect(start(['true'], 0)).rejects.toThrow(/a rate of 0/);
  if (findTool('perf') === null) return;
  await expect(start(['no-such-command-here'])).rejects.toThrow(/there is no command no-such-command-here/);
  writeFileSync(join(home, 'plain.txt'), 'x', { mode: 0o644 });
  await expect(start([join(home, 'plain.txt')])).rejects.toThrow(/may not be executed/);
  expect((await client.request('library', {})).body.recordings).toEqual([]);
});

test.skipIf(findTool('perf') === null)('a launched command in its terminal: input, pause, stop, reopened terminals, decoded again', async () => {
  const script = join(home, 'ask.py');
  writeFileSync(script, 'import time\nname = input("name? ")\nprint("hello", name, flush=True)\nend = time.time() + 600\nwhile time.time() < end: sum(range(1000))\n');
  const { body: { profile } } = await client.request('recordStart', {
    target: { kind: 'launch', argv: ['/usr/bin/python3', script], directory: home, environment: {} }, options: { ...FIRST_OPTIONS, profilers: ['perf'] },
  });
  const { body } = await client.request('terminals', { profile });
  const command = body.terminals.find((terminal) => terminal.title === '/usr/bin/python3');
  expect(command).toMatchObject({ running: true });
  const terminal = { terminal: command?.id ?? '' };
  const attached = await client.request('terminalAttach', terminal);
  let shown = new TextDecoder().decode(attached.payload);
  client.on('terminalData', (event, payload) => { if (event.terminal === terminal.terminal) shown += new TextDecoder().decode(payload); });
  await expect.poll(() => shown, { timeout: 20_000 }).toContain('name?');
  await client.request('terminalResize', { ...terminal, columns: 60, rows: 20 });
  await client.request('terminalWrite', terminal, new TextEncoder().encode('world\r'));
  await expect.poll(() => shown, { timeout: 20_000 }).toContain('hello world');
  await pull(client, profile, (status) => status.samples > 30);

  await client.request('recordPause', { profile, paused: true });
  const paused = await pull(client, profile, (status) => status.paused);
  await client.request('recordPause', { profile, paused: false });
  await pull(client, profile, (status) => status.samples > paused.status.samples + 20);
  await client.request('recordStop', { profile });
  const ended = await pull(client, profile, ENDED);
  const kinds = ended.profile.marks;
  expect(Array.from({ length: kinds.length }, (_, row) => ended.profile.strings.values[kinds.text.get(row)])).toContain('paused');
  expect(ended.profile.tracks.map((track) => track.name)).toEqual(expect.arrayContaining(['cpu', 'rss']));
  await client.request('close', { profile });

  const { body: again } = await client.request('open', { source: { kind: 'library', id: profile } });
  const past = (await client.request('terminals', { profile: again.profile })).body.terminals.find((one) => one.title === '/usr/bin/python3');
  expect(past?.running).toBe(false);
  expect(new TextDecoder().decode((await client.request('terminalAttach', { terminal: past?.id ?? '' })).payload)).toContain('hello world');

  const { body: decoded } = await client.request('libraryDecode', { id: profile });
  const fresh = await pull(client, decoded.profile, ENDED);
  expect(fresh.status.phase).toBe('done');
  expect(fresh.profile.lane('cpu')?.samples).toBe(ended.profile.lane('cpu')?.samples);
  expect(fresh.profile.tracks.map((track) => track.name)).toEqual(ended.profile.tracks.map((track) => track.name));
});
