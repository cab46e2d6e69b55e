// axe-core over the window's states in both themes: nothing serious or critical. And the keyboard alone reaches everything.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from './hosts.ts';
import { ROOT, browserHost, findChromium, within } from './hosts.ts';
import type { Program } from './story.ts';
import { boxes, choose, recordButton, startProgram, until } from './story.ts';

const EXAMPLE = join(ROOT, 'resources/example.flamebench');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const none = findChromium() === null;
if (none) console.log('not run: accessibility; missing: Chromium (apt-get install chromium)');

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
}

/** Serious and critical faults, one line each. */
async function faults(page: Page): Promise<string[]> {
  // Through the debugger: the page's own policy lets no foreign script in.
  await within('handing axe to the page', page.evaluate(AXE));
  const violations = await within('axe', page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run: (where: unknown, options: unknown) => Promise<{ violations: Violation[] }> } };
    return (await axe.run(document, { resultTypes: ['violations'] })).violations;
  }));
  return violations.filter((one) => one.impact === 'serious' || one.impact === 'critical')
    .flatMap((one) => one.nodes.map((node) => `${one.id} (${one.impact}): ${node.target.map(String).join(' ')}: ${node.failureSummary ?? ''}`));
}

describe.skipIf(none).each(['light', 'dark'] as const)('accessibility, %s', (theme) => {
  let host: Host;
  let page: Page;
  let program: Program;
  beforeAll(async () => {
    host = await browserHost({ width: 1440, height: 900 }, theme);
    page = host.page;
    program = await startProgram('known_shares.py');
  });
  afterAll(async () => {
    program?.child.kill('SIGKILL');
    await host?.close();
  });

  test('home', async () => {
    await choose(page, program.pid);
    await until('a check', async () => ((await page.getByRole('region', { name: 'What to record' }).getByText('Ready').count()) > 0 ? true : null));
    expect(await faults(page)).toEqual([]);
  });

  test('a live recording', async () => {
    await recordButton(page).click();
    await until('boxes', async () => ((await boxes(page)).length > 3 ? true : null), 30);
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press('Control+e');
    await page.getByRole('toolbar', { name: 'Recording' }).getByRole('button', { name: /Picture/ }).waitFor();
  });

  test('a finished recording with a chosen function', async () => {
    await page.getByRole('tab', { name: 'Home' }).click();
    await page.getByLabel('Profile to open').setInputFiles(EXAMPLE);
    await until('the example', async () => ((await boxes(page)).some((row) => row.name === 'train_one_step') ? true : null));
    await page.getByRole('application', { name: /^Flame graph/ }).first().click({ position: { x: 30, y: 60 } });
    await page.getByLabel('Search functions').fill('forward');
    expect(await faults(page)).toEqual([]);
  });

  test('the picture sheet and the palette', async () => {
    await page.getByLabel('Search functions').fill('');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+p');
    const sheet = page.getByRole('dialog', { name: 'Picture' });
    await sheet.waitFor();
    // Until it has come to rest: half transparent text has half the contrast.
    await until('the sheet at rest', async () => ((await sheet.evaluate((element) => element.getAnimations().length)) === 0 ? true : null));
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').waitFor();
    expect(await faults(page)).toEqual([]);
    await page.keyboard.press('Escape');
  });

  test('Tab comes around everything and F6 moves between the regions', async () => {
    await page.getByRole('application', { name: /^Flame graph/ }).first().focus();
    await page.keyboard.press('z');
    await page.getByRole('grid', { name: 'Functions' }).waitFor();
    const here = (): Promise<string> => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim().slice(0, 40) ?? '');
    const seen = new Set<string>();
    await page.evaluate(() => { if (document.activeElement instanceof HTMLElement) document.activeElement.blur(); });
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      seen.add(await here());
    }
    const wanted = [/^Timeline/, /^Flame graph/, /^Functions$/, /^Search functions$/, /^Save/, /^Picture/, /^More about/, /Settings/];
    expect(wanted.filter((one) => ![...seen].some((label) => one.test(label))).map(String), [...seen].join(' | ')).toEqual([]);
    const regions = new Set<string>();
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press('F6');
      regions.add(await page.evaluate(() => document.activeElement?.closest('[data-region]')?.getAttribute('data-region') ?? ''));
    }
    for (const region of ['timeline', 'graph']) expect([...regions]).toContain(region);
  });
});
