// Four lanes side by side, live, in a real Chromium: a loop that waits in `__next__` on two workers (test/programs/loader_wait.py).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findTool } from '../../main/profilers/find-tool.ts';
import type { Host } from './hosts.ts';
import { ROOT, browserHost, findChromium } from './hosts.ts';
import type { Program } from './story.ts';
import { boxes, choose, recordButton, startProgram, until } from './story.ts';

const missing = [
  ...(findChromium() === null ? ['Chromium (apt-get install chromium)'] : []),
  ...(findTool('perf') === null ? ['perf (apt-get install linux-perf)'] : []),
  ...(process.getuid?.() === 0 ? [] : ['root (perf_event_paranoid may forget the waiting lane)']),
];
if (missing.length > 0) console.log(`not run: four lanes in the browser; missing: ${missing.join(', ')}`);

describe.skipIf(missing.length > 0)('four lanes of a running program', () => {
  let host: Host;
  let page: Page;
  let program: Program;
  const errors: string[] = [];
  const pane = (name: string | RegExp): Locator => page.getByRole('region', typeof name === 'string' ? { name: `${name} pane`, exact: true } : { name });
  const memory = (): Locator => pane(/^(Memory|Page faults).* pane$/);
  const flame = (of: Locator): Locator => of.getByRole('application', { name: /^Flame graph/ });
  const selection = (): Locator => page.getByRole('toolbar', { name: 'Selection' });
  /** `5.24 s` of a pane's header. */
  const total = async (of: Locator): Promise<string> => (await of.locator('.crumbs').innerText()).replaceAll('\n', ' ');
  const find = async (of: Locator, name: string) => (await boxes(of)).find((row) => row.name === name) ?? null;

  beforeAll(async () => {
    host = await browserHost();
    page = host.page;
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
    program = await startProgram('loader_wait.py');
  });
  afterAll(async () => {
    program?.child.kill('SIGKILL');
    await host?.close();
  });
  afterEach(async (context) => {
    if (context.task.result?.state !== 'fail') return;
    mkdirSync(join(ROOT, 'test/output'), { recursive: true });
    await page.screenshot({ path: join(ROOT, 'test/output', `quad-${context.task.name.replaceAll(/\W+/g, '-').slice(0, 40)}.png`) });
  });

  test('three have pictures while the program runs; the fourth says why it has none', async () => {
    await choose(page, program.pid);
    await until('a check that says Ready', async () => ((await page.getByRole('region', { name: 'What to record' }).getByText('Ready').count()) > 0 ? true : null));
    await page.getByRole('region', { name: 'What to record' }).getByRole('checkbox', { name: /CUDA/ }).check().catch(() => undefined);
    await recordButton(page).click();
    await page.getByRole('timer', { name: 'Elapsed' }).waitFor();
    for (const [of, name] of [[pane('CPU'), 'decode'], [pane('Off-CPU'), '__next__']] as const) await until(`${name} in its pane`, async () => find(of, name), 40);
    await until('memory', async () => ((await boxes(memory())).length > 0 ? true : null), 40);
    expect(await pane('CUDA').innerText()).toMatch(/NVIDIA|GPU|CUDA/);
    expect(await pane('CUDA').getByRole('application').count()).toBe(0);
  });

  test('one hover card says what a function has in every lane, with the numbers of its pane', async () => {
    const space = pane('CPU');
    await page.keyboard.press('Space');
    await until('a picture that is paused', async () => ((await page.getByText(/recording goes on/).count()) > 0 ? true : null));
    await flame(space).hover({ position: { x: 40, y: 12 + 18 } });
    const card = page.locator('.card');
    await card.waitFor();
    const text = await card.innerText();
    for (const lane of ['CPU', 'Waiting', 'GPU']) expect(text).toContain(lane);
    const name = (await card.locator('.pane-title').innerText()).trim();
    const box = (await boxes(space)).find((row) => row.name === name);
    const percent = Number(/CPU\s+[^%]*?(\d+(?:\.\d+)?) %/.exec(text.replaceAll('\n', ' '))?.[1]);
    // A function may have other boxes beside the one under the pointer, never less than it.
    expect(percent, `${name}: ${text}`).toBeGreaterThanOrEqual((box?.totalPercent ?? Infinity) - 0.11);
    await page.mouse.move(5, 5);
    await card.waitFor({ state: 'detached' });
    await page.keyboard.press('Space');
  });

  test('a range dragged on the timeline is every pane\'s, live', async () => {
    await until('ten seconds', async () => (Number(/:(\d\d)/.exec(await page.getByRole('timer', { name: 'Elapsed' }).innerText())?.[1]) >= 10 ? true : null));
    const panes = [pane('CPU'), pane('Off-CPU'), memory()];
    const before = await Promise.all(panes.map(total));
    const area = await page.getByRole('application', { name: /^Timeline/ }).boundingBox();
    if (area === null) throw new Error('there is no timeline');
    // The window is 30 s wide: from 4 to 8 s.
    await page.mouse.move(area.x + area.width * 4 / 30, area.y + area.height / 2);
    await page.mouse.down();
    await page.mouse.move(area.x + area.width * 6 / 30, area.y + area.height / 2, { steps: 4 });
    await page.mouse.move(area.x + area.width * 8 / 30, area.y + area.height / 2, { steps: 4 });
    await page.mouse.up();
    await until('other totals', async () => ((await Promise.all(panes.map(total))).every((now, i) => now !== before[i]) ? true : null));
    // What is over stays as it was, while the recording goes on.
    const chosen = await Promise.all(panes.map(total));
    await page.waitForTimeout(1200);
    expect((await total(panes[1])).split(' ').slice(0, 3)).toEqual(chosen[1].split(' ').slice(0, 3));
    const seconds = Number(/(\d+(?:\.\d+)?) s/.exec(await selection().innerText())?.[1]);
    expect(seconds).toBeGreaterThan(3);
    await selection().getByRole('button', { name: /\d s.*$/ }).first().click();
  });

  test('a function that is chosen in one pane is chosen in all', async () => {
    await pane('CPU').locator('.crumbs').click({ position: { x: 3, y: 3 } });
    await page.getByLabel('Search functions').fill('^main$');
    await page.getByLabel('Search functions').press('Enter');
    await until('main chosen', async () => ((await page.locator('#flame-spoken').first().innerText().catch(() => '')).includes('main') ? true : null));
    await page.getByLabel('Search functions').fill('');
    await page.screenshot({ path: join(ROOT, 'test/output', 'quad-chosen.png') }).catch(() => undefined);
  });

  test('w: while __next__ waits, the workers decode', async () => {
    await pane('Off-CPU').locator('.crumbs').click({ position: { x: 3, y: 3 } });
    await page.getByLabel('Search functions').fill('^__next__$');
    await page.getByLabel('Search functions').press('Enter');
    await flame(pane('Off-CPU')).focus();
    await page.keyboard.press('w');
    await selection().locator('.while').waitFor();
    expect(await selection().locator('.while').innerText()).toMatch(/__next__.*\d s/s);
    await page.getByLabel('Search functions').fill('');
    // The table beside the canvas is written twice a second: what stands there may be of before.
    let seen = '';
    await until('nine tenths for decode in that while', async () => {
      const rows = await boxes(pane('CPU'));
      const decode = rows.filter((row) => row.name === 'decode').reduce((sum, row) => sum + row.totalPercent, 0);
      const shuffle = rows.filter((row) => row.name === 'shuffle').reduce((sum, row) => sum + row.totalPercent, 0);
      seen = `decode ${decode} %, shuffle ${shuffle} %`;
      return decode / (decode + shuffle) > 0.9 ? true : null;
    }, 15).catch((error: unknown) => { throw new Error(`${String(error)}: ${seen}`); });
    await page.keyboard.press('Escape');
    await selection().locator('.while').waitFor({ state: 'detached' });
  });

  test('stopped, it has its panes still; z gives one of them the whole width', async () => {
    await page.getByRole('toolbar', { name: 'Recording' }).getByRole('button', { name: /Stop/ }).click();
    await page.getByRole('toolbar', { name: 'Recording' }).getByRole('button', { name: /Picture/ }).waitFor();
    expect(program.child.exitCode).toBeNull();
    for (const of of [pane('CPU'), pane('Off-CPU'), memory()]) await until('boxes', async () => ((await boxes(of)).length > 3 ? true : null), 15);
    await flame(pane('CPU')).focus();
    await page.keyboard.press('z');
    await pane('Off-CPU').waitFor({ state: 'detached' });
    await page.keyboard.press('z');
    await pane('Off-CPU').waitFor();
    expect(errors, 'errors in the page').toEqual([]);
  });
});
