// What a user does with a recording that is there, in a real Chromium: one browser, the example recording.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Download, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Host } from './hosts.ts';
import { ROOT, browserHost, findChromium } from './hosts.ts';
import { boxes, until } from './story.ts';

const EXAMPLE = join(ROOT, 'resources/example.flamebench');
const none = findChromium() === null;
if (none) console.log('not run: views in the browser; missing: Chromium (apt-get install chromium)');

/** Middle of the leftmost box of a row: the heaviest, where a picture at rest is left heavy. */
const rowY = (row: number): number => 12 + row * 18;

describe.skipIf(none)('a recording in Chromium', () => {
  let host: Host;
  let page: Page;
  const errors: string[] = [];
  const flame = (): Locator => page.getByRole('application', { name: /^Flame graph/ });
  const timeline = (): Locator => page.getByRole('application', { name: /^Timeline/ });
  const selection = (): Locator => page.getByRole('toolbar', { name: 'Selection' });
  const recordingBar = (): Locator => page.getByRole('toolbar', { name: 'Recording' });
  const crumbs = (): Locator => page.getByRole('navigation', { name: 'Zoomed path' });
  const functions = (): Locator => page.getByRole('grid', { name: 'Functions' });
  const card = (): Locator => page.locator('.card');
  const clickRow = (row: number, times = 1): Promise<void> => flame().click({ position: { x: 30, y: rowY(row) }, clickCount: times });
  const spoken = (): Promise<string> => page.locator('#flame-spoken').innerText();
  const total = async (): Promise<string> => (await page.locator('.crumbs').innerText()).replaceAll('\n', ' ');

  beforeAll(async () => {
    host = await browserHost();
    page = host.page;
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByLabel('Profile to open').setInputFiles(EXAMPLE);
    await recordingBar().getByRole('heading', { level: 1 }).waitFor();
    await until('boxes', async () => ((await boxes(page)).length > 20 ? true : null));
    // The example has two lanes and opens as two panes; what follows is about one of them.
    expect(await flame().count()).toBe(2);
    await flame().first().focus();
    await page.keyboard.press('z');
    await until('one pane', async () => ((await flame().count()) === 1 ? true : null));
    await functions().waitFor();
    await page.evaluate(() => document.fonts.ready);
  });
  afterAll(async () => { await host?.close(); });
  afterEach(async (context) => {
    if (context.task.result?.state !== 'fail') return;
    mkdirSync(join(ROOT, 'test/output'), { recursive: true });
    await page.screenshot({ path: join(ROOT, 'test/output', `views-${context.task.name.replaceAll(/\W+/g, '-').slice(0, 40)}.png`) });
  });

  test('the heading and the tab say what it is', async () => {
    expect(await recordingBar().getByRole('heading', { level: 1 }).innerText()).toBe('train.py');
    // The tab has the file's name, the bar what ran in it.
    const tabs = page.locator('[data-region=tabs]').getByRole('tab');
    expect(await tabs.allInnerTexts()).toEqual(['Home', 'example']);
    expect(await page.title()).toBe('example – Flamebench');
  });

  test('the hover card says the function, its place, its shares, its samples', async () => {
    await flame().hover({ position: { x: 30, y: rowY(0) } });
    await card().waitFor();
    const text = await card().innerText();
    expect(text).toContain('<module>');
    expect(text).toMatch(/\d+(\.\d+)? %/);
    expect(text).toMatch(/\d+ CPU samples, ± \d+\.\d points/);
    const box = await card().boundingBox();
    const canvas = await flame().boundingBox();
    expect(box?.y, 'under the box, never over it').toBeGreaterThanOrEqual((canvas?.y ?? 0) + rowY(0) + 5);
    await page.mouse.move(5, 5);
    await card().waitFor({ state: 'detached' });
  });

  test('click selects, double click zooms, breadcrumbs, Backspace and 0 go back', async () => {
    await clickRow(2);
    await page.getByText('of CPU').first().waitFor();
    const chosen = (await boxes(page)).find((row) => row.depth === 2 || row.depth === 3);
    expect(chosen).toBeDefined();
    await clickRow(1, 2);
    await crumbs().waitFor();
    await clickRow(3, 2);
    await until('two levels of crumbs', async () => ((await crumbs().locator('li').count()) >= 4 ? true : null));
    const deep = await crumbs().locator('[aria-current]').innerText();
    await flame().press('Backspace');
    await until('one zoom back', async () => ((await crumbs().locator('[aria-current]').innerText()) !== deep ? true : null));
    await crumbs().getByRole('button', { name: 'All' }).click();
    await crumbs().waitFor({ state: 'detached' });
    await clickRow(1, 2);
    await crumbs().waitFor();
    await flame().press('0');
    await crumbs().waitFor({ state: 'detached' });
  });

  test('arrows walk the boxes, Enter zooms, i turns the picture over', async () => {
    await flame().focus();
    await clickRow(0);
    const first = await spoken();
    await flame().press('ArrowDown');
    const second = await until('the box below', async () => { const now = await spoken(); return now !== first ? now : null; });
    await flame().press('ArrowUp');
    await until('back at the first', async () => ((await spoken()) === first ? true : null));
    await flame().press('ArrowDown');
    await flame().press('Enter');
    await crumbs().waitFor();
    expect(second).toContain(await crumbs().locator('[aria-current]').innerText());
    await flame().press('0');
    const flip = selection().getByRole('button', { name: /Root (on top|at the bottom)/ });
    expect(await flip.getAttribute('aria-pressed')).toBe('false');
    await flame().press('i');
    await until('turned over', async () => ((await flip.getAttribute('aria-pressed')) === 'true' ? true : null));
    await flame().press('i');
    await until('turned back', async () => ((await flip.getAttribute('aria-pressed')) === 'false' ? true : null));
  });

  test('search shows the matched share and steps through the functions', async () => {
    await flame().press('/');
    await page.keyboard.type('^(forward|backward)$');
    const result = selection().locator('#search-result');
    const share = await until('a share', async () => /(\d+\.\d) %/.exec(await result.innerText())?.[1] ?? null);
    expect(Number(share)).toBeGreaterThan(50);
    await page.keyboard.press('Enter');
    await until('the first of two', async () => (/1 \/ 2/.test(await result.innerText()) ? true : null));
    await page.keyboard.press('Enter');
    await until('the second of two', async () => (/2 \/ 2/.test(await result.innerText()) ? true : null));
    await page.getByLabel('Search functions').fill('(');
    expect(await page.getByLabel('Search functions').getAttribute('aria-invalid')).toBe('true');
    await page.getByLabel('Search functions').fill('');
    await page.keyboard.press('Escape');
  });

  test.each([['f', /^Only/], ['m', /^Merged/], ['d', /^Without/], ['c', /^Collapsed/]] as const)('%s changes the picture, its chip undoes it', async (key, chip) => {
    // The table beside the canvas is written at most twice a second: what stands there may be of the test before.
    const before = await until('a picture at rest', async () => {
      const now = (await boxes(page)).map((row) => row.name).join();
      await page.waitForTimeout(800);
      return (await boxes(page)).map((row) => row.name).join() === now ? now : null;
    });
    await clickRow(key === 'd' ? 4 : 3);
    await flame().press(key);
    const button = selection().getByRole('button', { name: chip });
    await button.waitFor();
    if (key !== 'd') await until('another picture', async () => ((await boxes(page)).map((row) => row.name).join() !== before ? true : null));
    await button.click();
    await until('the picture as it was', async () => ((await boxes(page)).map((row) => row.name).join() === before ? true : null));
  });

  test('a range by drag and by keyboard drives graph and table', async () => {
    const whole = await total();
    const strip = await timeline().boundingBox();
    if (strip === null) throw new Error('no timeline');
    await page.mouse.move(strip.x + strip.width * 0.2, strip.y + 45);
    await page.mouse.down();
    await page.mouse.move(strip.x + strip.width * 0.5, strip.y + 45, { steps: 6 });
    await page.mouse.up();
    const chip = selection().getByTitle('Show the whole recording');
    const first = await chip.innerText();
    const part = await until('less than the whole', async () => { const now = await total(); return now !== whole ? now : null; });
    await timeline().focus();
    await page.keyboard.press('ArrowRight');
    await until('another range', async () => ((await chip.innerText()) !== first ? true : null));
    await page.keyboard.press('Shift+ArrowRight');
    await until('another total', async () => ((await total()) !== part ? true : null));
    await page.keyboard.press('Escape');
    await until('the whole', async () => ((await total()) === whole ? true : null));
  });

  test('the table sorts, and a row chooses its function everywhere', async () => {
    const names = (): Promise<string[]> => functions().locator('[role=row] .c0 span.cut').allInnerTexts();
    const bySelf = await names();
    await functions().getByRole('columnheader', { name: /^Total$/ }).getByRole('button').click();
    const byTotal = await until('another order', async () => { const now = await names(); return now.join() !== bySelf.join() ? now : null; });
    await functions().getByText(byTotal[2], { exact: true }).click();
    expect(await functions().locator('[aria-selected=true]').count()).toBe(1);
    await page.getByRole('heading', { name: byTotal[2] }).or(page.getByText(byTotal[2], { exact: true })).first().waitFor();
    await functions().getByRole('columnheader', { name: /^Self$/ }).getByRole('button').click();
    await until('the first order', async () => ((await names()).join() === bySelf.join() ? true : null));
  });

  test('a reload shows the same tab with its view', async () => {
    await page.getByLabel('Search functions').fill('matrix');
    await clickRow(1, 2);
    await crumbs().waitFor();
    const crumb = await crumbs().locator('[aria-current]').innerText();
    await page.reload();
    await until('the search', async () => ((await page.getByLabel('Search functions').inputValue().catch(() => '')) === 'matrix' ? true : null));
    await crumbs().waitFor();
    expect(await crumbs().locator('[aria-current]').innerText()).toBe(crumb);
    await flame().press('0');
    await page.getByLabel('Search functions').fill('');
  });

  test('light and dark', async () => {
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole('button', { name: 'Dark theme' }).click();
    await until('dark', async () => ((await ground()) !== light ? true : null));
    await page.getByRole('button', { name: 'Light theme' }).click();
    await until('light', async () => ((await ground()) === light ? true : null));
  });

  async function saved(click: () => Promise<void>): Promise<{ name: string; path: string }> {
    const [download]: [Download, void] = await Promise.all([page.waitForEvent('download'), click()]);
    const path = join(host.home, `saved-${download.suggestedFilename()}`);
    await download.saveAs(path);
    return { name: download.suggestedFilename(), path };
  }

  test('the command line of the sheet makes the picture of the sheet', async () => {
    await clickRow(9);
    await page.keyboard.press('Control+p');
    const sheet = page.getByRole('dialog', { name: 'Picture' });
    await sheet.getByLabel('Title', { exact: true }).fill("It's half of the time");
    await sheet.getByLabel('Subtitle').fill('measured, not guessed');
    await sheet.getByLabel('Kinds that occur').uncheck();
    await sheet.getByLabel('Depth').selectOption('10');
    await sheet.getByLabel('Pin a frame').selectOption({ index: 1 });
    await sheet.getByLabel('Note of callout 1').fill('a "note"');
    const svg = await saved(() => sheet.getByRole('button', { name: 'SVG' }).click());
    const command = await sheet.locator('footer code').innerText();
    await sheet.getByLabel('Kinds that occur').check();
    await sheet.getByLabel('Depth').selectOption('14');
    const folder = join(host.home, 'command');
    mkdirSync(folder);
    copyFileSync(EXAMPLE, join(folder, 'train.py.flamebench'));
    const shell = command.replace(/ -o \S+\.png/, ' -o cli.svg').replace(/^flamebench/, '"$0" "$1"');
    const ran = spawnSync('sh', ['-c', shell, process.execPath, join(ROOT, 'main/cli/bin.ts')], { cwd: folder, encoding: 'utf8' });
    expect(ran.status, `${command}\n${ran.stderr}`).toBe(0);
    expect(readFileSync(join(folder, 'cli.svg'), 'utf8')).toBe(readFileSync(svg.path, 'utf8'));

    // The clipboard holds a PNG of the chosen size.
    await sheet.getByRole('button', { name: 'Copy picture' }).click();
    await page.getByText('Picture copied').waitFor();
    const types = await page.evaluate(async () => (await navigator.clipboard.read()).flatMap((item) => item.types));
    expect(types).toContain('image/png');
    await page.keyboard.press('Escape');
    await sheet.waitFor({ state: 'detached' });
  });

  test('folded stacks, speedscope and the recording are saved', async () => {
    const choose = (name: RegExp) => async (): Promise<void> => {
      await recordingBar().getByRole('button', { name: 'More about this recording' }).click();
      await page.getByRole('menuitem', { name }).click();
    };
    const folded = await saved(choose(/folded/));
    expect(readFileSync(folded.path, 'utf8')).toMatch(/^.+;.+ \d+$/m);
    const speedscope = await saved(choose(/speedscope/));
    expect(JSON.parse(readFileSync(speedscope.path, 'utf8'))).toHaveProperty('profiles');
    const recording = await saved(() => recordingBar().getByRole('button', { name: /^Save/ }).click());
    expect(recording.name).toMatch(/\.flamebench$/);
    expect(readFileSync(recording.path).subarray(30, 38).toString()).toBe('mimetype');
  });

  const open = async (name: string, bytes: string | Buffer): Promise<void> => {
    const path = join(host.home, name);
    writeFileSync(path, bytes);
    await page.getByRole('tab', { name: 'Home' }).click();
    await page.getByLabel('Profile to open').setInputFiles(path);
  };
  const closeTab = async (name: RegExp): Promise<void> => {
    await page.getByRole('tab', { name }).press('Delete');
    await page.getByRole('tab', { name }).waitFor({ state: 'detached' });
  };

  test.each([
    ['stacks.folded', 'main;load;parse 30\nmain;train 70\n', 'train'],
    ['perf.script.txt', 'prog 100 [000] 1.000000: 10101010 cpu-clock:\n\t    401136 hot+0x10 (/tmp/prog)\n\t    401200 main+0x20 (/tmp/prog)\n\n', 'hot'],
  ])('%s opens', async (name, text, wanted) => {
    await open(name, text);
    await until(`a box ${wanted}`, async () => (await boxes(page)).find((row) => row.name === wanted) ?? null, 20);
    await closeTab(new RegExp(name.replaceAll('.', '\\.')));
  });

  test('a broken file says what is wrong with it', async () => {
    await open('broken.json', '{"$schema": "https://www.speedscope.app/file-format-schema.json", "profiles": [');
    const message = page.getByRole('status').filter({ hasText: 'broken.json' }).or(page.getByText(/could not be read|is not|ends/i)).first();
    await message.waitFor();
    for (const tab of await page.getByRole('tab', { name: /broken/ }).all()) await tab.press('Delete');
    for (const button of await page.getByRole('button', { name: 'Close the message' }).all()) await button.click();
  });

  test('no errors in the page', () => { expect(errors).toEqual([]); });
});

describe.skipIf(none)('a launch in Chromium', () => {
  let host: Host;
  beforeAll(async () => { host = await browserHost(); });
  afterAll(async () => { await host?.close(); });

  test('a command with a directory and a variable; its terminal takes keys and Ctrl C', async () => {
    const { page } = host;
    await page.getByLabel('Command to launch').fill(`sh -c 'echo "$PWD $COLOUR"; trap "echo stopped; exit 7" INT; while read -r line; do echo "got $line"; done'`);
    await page.getByRole('button', { name: 'Environment' }).click();
    await page.getByRole('button', { name: 'Add a variable' }).click();
    await page.getByLabel('Name of variable 1').fill('COLOUR');
    await page.getByLabel('Value of variable 1').fill('green');
    await page.keyboard.press('Escape');
    await page.locator('.launch .folder').click();
    await page.getByLabel('Directory that the command starts in').fill(host.home);
    await page.keyboard.press('Escape');
    await page.getByLabel('Command to launch').press('Enter');
    await page.getByRole('timer', { name: 'Elapsed' }).waitFor();
    const terminals = page.getByRole('tablist', { name: 'Terminals' });
    await terminals.getByRole('tab', { name: /^sh|program|target|command/i }).first().click();
    const screen = page.locator('.xterm');
    const shows = (text: string): Promise<true> => until(`${text} in the terminal`, async () => ((await screen.innerText()).includes(text) ? true : null), 20);
    await shows(`${host.home} green`);
    await screen.locator('textarea').focus();
    await page.keyboard.type('hello\n');
    await shows('got hello');
    await page.keyboard.press('Control+c');
    await shows('stopped');
    await until('the recording has ended', async () => ((await page.getByRole('timer', { name: 'Elapsed' }).count()) === 0 ? true : null), 30);
  });
});
