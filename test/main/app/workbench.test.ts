import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EVERYTHING, FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';
import { FIRST_OPTIONS } from '#core/protocol/api';
import { Client } from '#core/protocol/rpc';
import { encodeMessage } from '#core/protocol/wire';
import { Workbench } from '../../../main/app/workbench.ts';
import { findTool } from '../../../main/profilers/find-tool.ts';
import { ENDED, openPage, pipePair, pull } from './page.ts';

let home: string;
let workbench: Workbench;
const children: ChildProcess[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fb-app-'));
  workbench = new Workbench({ home, desktop: false });
});
afterEach(async () => {
  await workbench.shutdown();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const BUSY = `
def hot():
    return sum(i * i for i in range(2000))
def main():
    print('ready', flush=True)
    while True:
        hot()
main()
`;

async function startBusy(): Promise<number> {
  const script = join(home, 'busy.py');
  writeFileSync(script, BUSY);
  const child = spawn('python3', [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  await new Promise((ready) => child.stdout?.once('data', ready));
  return child.pid ?? 0;
}

test('the first message must be hello with the token', async () => {
  const strange = pipePair();
  workbench.attach(strange.server, { token: 'secret' });
  strange.page.send(new Uint8Array([1, 2, 3]));
  await expect.poll(strange.closed).toBe(true);

  const eager = pipePair();
  workbench.attach(eager.server, { token: 'secret' });
  eager.page.send(encodeMessage({ k: 'request', id: 1, name: 'processes', body: {} }));
  await expect.poll(eager.closed).toBe(true);

  const wrong = pipePair();
  workbench.attach(wrong.server, { token: 'secret' });
  await expect(new Client(wrong.page).request('hello', { protocol: 1, token: 'guess' })).rejects.toThrow(/closed/);

  const { client } = await openPage(workbench, 'secret');
  const { body } = await client.request('processes', {});
  expect(body.processes.some((row) => row.pid === process.pid)).toBe(true);
});

test('a request that is not of the contract is refused by field', async () => {
  const { client } = await openPage(workbench);
  await expect(client.request('recordStart', { target: { kind: 'attach', processes: [{ pid: -4, start: 0 }], children: false }, options: FIRST_OPTIONS }))
    .rejects.toThrow(/recordStart is not as it should be at target\.processes\.0\.pid/);
  await expect(client.request('since', { profile: 'none', cursor: { strings: 0 } as never })).rejects.toThrow(/cursor/);
  await expect(client.request('nonsense' as never, {} as never)).rejects.toThrow(/there is no request nonsense/);
  await expect(client.request('toString' as never, {} as never)).rejects.toThrow(/there is no request toString/);
});

test.skipIf(findTool('py-spy') === null)('pick, record, watch, lose the page, come back, stop, reopen, export', async () => {
  const pid = await startBusy();
  const first = await openPage(workbench);
  const { body: started } = await first.client.request('recordStart', {
    target: { kind: 'attach', processes: [{ pid, start: 0 }], children: false }, options: { ...FIRST_OPTIONS, profilers: ['py-spy'] },
  });
  const profile = started.profile;
  await pull(first.client, profile, (status) => status.samples > 20);
  first.close();

  const second = await openPage(workbench);
  const { body: open } = await second.client.request('profiles', {});
  expect(open.profiles).toMatchObject([{ id: profile, live: true, title: 'busy.py' }]);
  const whole = await pull(second.client, profile, (status) => status.samples > 60);
  const names = new Set(whole.profile.functions.name.view());
  expect([...names].map((row) => whole.profile.strings.values[row])).toContain('hot');
  expect(workbench.activeRecordings).toBe(1);
  await second.client.request('recordStop', { profile });
  expect(workbench.activeRecordings).toBe(0);
  const ended = await pull(second.client, profile, ENDED);
  expect(ended.status.phase).toBe('done');
  // The target was not touched.
  process.kill(pid, 0);

  const { body: library } = await second.client.request('library', {});
  expect(library.recordings).toMatchObject([{ id: profile, recovered: false, lanes: [{ kind: 'cpu' }] }]);
  expect(library.recordings[0].lanes[0].samples).toBe(ended.status.samples);
  await second.client.request('close', { profile });
  const { body: again } = await second.client.request('open', { source: { kind: 'library', id: profile } });
  expect(again.profile).not.toBe(profile);
  const reopened = await pull(second.client, again.profile, ENDED);
  expect(reopened.profile.lanes[0].samples).toBe(ended.profile.lanes[0].samples);
  expect(reopened.profile.info.live).toBe(false);

  const view = { ...FIRST_VIEW, lane: { kind: 'cpu' as const, name: reopened.profile.lanes[0].name }, selection: EVERYTHING };
  const folded = await second.client.request('export', { profile: again.profile, format: 'folded', view, picture: FIRST_PICTURE });
  expect(new TextDecoder().decode(folded.payload)).toMatch(/hot.* \d+\n/);
  const png = await second.client.request('export', { profile: again.profile, format: 'png', view, picture: { ...FIRST_PICTURE, scale: 1 } });
  expect(png.body).toEqual({ name: 'busy.py.png', type: 'image/png' });
  expect([...png.payload.subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
  const saved = await second.client.request('export', { profile: again.profile, format: 'flamebench', view, picture: FIRST_PICTURE });
  expect(saved.body.name).toBe('busy.py.flamebench');

  // What was saved comes back as an upload, on any machine.
  const { body: upload } = await second.client.request('uploadBegin', { name: saved.body.name, size: saved.payload.length });
  for (let at = 0; at < saved.payload.length; at += 10_000) await second.client.request('uploadChunk', upload, saved.payload.subarray(at, at + 10_000));
  const { body: sent } = await second.client.request('open', { source: { kind: 'upload', upload: upload.upload } });
  const elsewhere = await pull(second.client, sent.profile, ENDED);
  expect(elsewhere.profile.lanes[0].samples).toBe(ended.profile.lanes[0].samples);
});
