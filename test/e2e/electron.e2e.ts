import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clickMenuItem, findMenuItem } from 'electron-playwright-helpers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findTool } from '../../main/profilers/find-tool.ts';
import type { ElectronHost } from './hosts.ts';
import { electronHost, findElectron } from './hosts.ts';
import { story } from './story.ts';

const choice = findElectron();
const missing = 'why' in choice ? choice.why : findTool('py-spy') === null ? 'py-spy is not here (python3 -m pip install py-spy)' : '';
if (missing !== '') console.log(`not run: end to end in Electron: ${missing}`);
const name = 'path' in choice && choice.standIn ? 'in a stand-in for Electron (Node and Chromium, not Electron itself)' : 'in Electron';
if (name !== 'in Electron' && missing === '') console.log(`end to end in Electron: its binary is not here; the host's code runs ${name}`);

describe.skipIf(missing !== '')(name, () => {
  let host: ElectronHost;
  beforeAll(async () => { host = await electronHost(choice as { path: string }); });
  afterAll(async () => { await host?.close(); });

  test('from a running process to a picture of it', async () => {
    await story(host, async (click) => {
      const file = join(host.home, 'slide.png');
      // The page hands a file over as a link to a blob, and the desktop asks where to keep it: nobody answers here, so the
      // blob is taken where it is made.
      const bytes = host.page.evaluate(() => new Promise<string>((resolve) => {
        const make = URL.createObjectURL.bind(URL);
        URL.createObjectURL = (blob: Blob) => {
          if (blob.type === 'image/png') {
            const reader = new FileReader();
            reader.onload = () => resolve(String(reader.result).split(',')[1]);
            reader.readAsDataURL(blob);
          }
          return make(blob);
        };
        setTimeout(() => resolve(''), 30_000);
      }));
      await click();
      writeFileSync(file, Buffer.from(await bytes, 'base64'));
      return file;
    }).catch(async (error: unknown) => {
      await host.page.screenshot({ path: 'test/output/electron-failed.png' }).catch(() => undefined);
      console.log(host.log());
      throw error;
    });
  });

  test('the window is sandboxed, isolated, without Node, and cannot leave its page', async () => {
    const { page, app } = host;
    expect(page.url()).toBe('flamebench://app/index.html');
    expect(await page.evaluate(() => [typeof (globalThis as { require?: unknown }).require, typeof (globalThis as { process?: unknown }).process])).toEqual(['undefined', 'undefined']);
    expect(await page.evaluate(() => Object.keys(window).filter((key) => /flamebench|electron|ipc/i.test(key)))).toEqual([]);
    await page.evaluate(() => { location.href = 'https://example.invalid/'; });
    await page.waitForTimeout(300);
    expect(page.url()).toBe('flamebench://app/index.html');
    const windows = await app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows().length);
    expect(windows).toBe(1);
  });

  test('the menu opens a second window on the same workbench', async () => {
    const { app } = host;
    const item = await findMenuItem(app, 'label', 'New Window');
    expect(item?.label).toBe('New Window');
    const opened = app.waitForEvent('window');
    await clickMenuItem(app, 'label', 'New Window');
    const second = await opened;
    await second.getByRole('tab', { name: 'Home' }).click();
    await second.getByRole('region', { name: 'Start' }).getByRole('button', { name: /known_shares/ }).first().waitFor();
    await second.close();
  });
});
