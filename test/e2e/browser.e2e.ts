import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { findTool } from '../../main/profilers/find-tool.ts';
import type { Host } from './hosts.ts';
import { browserHost, findChromium } from './hosts.ts';
import { story } from './story.ts';

const missing = [
  ...(findChromium() === null ? ['Chromium (apt-get install chromium)'] : []),
  ...(findTool('py-spy') === null ? ['py-spy (python3 -m pip install py-spy)'] : []),
];
if (missing.length > 0) console.log(`not run: end to end in the browser; missing: ${missing.join(', ')}`);

describe.skipIf(missing.length > 0)('in Chromium, on the browser host', () => {
  let host: Host;
  beforeAll(async () => { host = await browserHost(); });
  afterAll(async () => { await host?.close(); });

  test('from a running process to a picture of it', async () => {
    await story(host, async (click) => {
      const [download] = await Promise.all([host.page.waitForEvent('download'), click()]);
      const file = join(host.home, 'slide.png');
      await download.saveAs(file);
      return file;
    }).catch(async (error: unknown) => {
      await host.page.screenshot({ path: 'test/output/browser-failed.png' }).catch(() => undefined);
      console.log(host.log());
      throw error;
    });
  });
});
