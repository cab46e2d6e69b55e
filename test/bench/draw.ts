// Layout and drawing of a live picture in a real Chromium.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { build } from 'vite';
import { CHROMIUM_FLAGS, findChromium } from '../e2e/hosts.ts';
import type { DrawFigures } from './draw-page.ts';
import type { Figure } from './report.ts';
import { median, ms, quantile } from './report.ts';

export async function draw(ticks = 2000): Promise<Figure[]> {
  const executablePath = findChromium();
  if (executablePath === null) return [{ what: 'not run: no Chromium (apt-get install chromium)', value: '', aim: '' }];
  const folder = mkdtempSync(join(tmpdir(), 'flamebench-draw-'));
  try {
    await build({
      configFile: false, logLevel: 'warn', resolve: { alias: [{ find: /^#core\/(.*)$/, replacement: `${join(import.meta.dirname, '../../core')}/$1.ts` }] },
      build: { outDir: folder, emptyOutDir: true, target: 'chrome140', minify: false, lib: { entry: join(import.meta.dirname, 'draw-page.ts'), formats: ['iife'], name: 'bench', fileName: () => 'bench.js' } },
    });
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, '--js-flags=--expose-gc', '--enable-precise-memory-info'], timeout: 45_000 });
    try {
      const page = await browser.newPage();
      await page.addScriptTag({ content: readFileSync(join(folder, 'bench.js'), 'utf8') });
      const found = await page.evaluate((count) => (globalThis as unknown as { measure: (ticks: number) => DrawFigures }).measure(count), ticks);
      const rows = ticks * 0.75 * 320;
      return [
        { what: `a tick of 320 samples: tree, layout and drawing of ${found.boxes} boxes in Chromium`, value: `${ms(median(found.ticks))} (p99 ${ms(quantile(found.ticks, 0.99))})`, aim: '8 ms' },
        { what: `ticks without a sample on which the tree changed, of ${ticks / 10}`, value: String(found.idleChanges), aim: '0' },
        { what: `heap growth over ${ticks * 0.75} ticks`, value: `${((found.heap[1] - found.heap[0]) / 1e6).toFixed(1)} MB, ${((found.heap[1] - found.heap[0]) / rows).toFixed(1)} bytes a sample`, aim: '' },
      ];
    } finally {
      await browser.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
