// The first job, as a user does it: pick a running program, see its hot function live, search, stop, find the recording
// again, put a picture of it on disk. The same steps in Chromium on the browser host and in Electron.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { Host } from './hosts.ts';
import { ROOT, within } from './hosts.ts';

/** Of the main thread's CPU time, by construction (test/programs/known_shares.py). */
const HOT_SHARE = 75;

export interface Program {
  readonly pid: number;
  readonly child: ChildProcess;
}

/** Starts a Python program and waits until it works. */
export async function startProgram(file: string): Promise<Program> {
  const child = spawn('python3', [join(ROOT, 'test/programs', file)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const started = new Promise<number>((ready, fail) => {
    // An unbuffered Python writes the words of one print apart.
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const said = /ready(?: (\d+))?\n/.exec(text);
      // A shim that stands for python3 becomes it: the process is the same.
      if (said !== null) ready(Number(said[1] ?? child.pid));
    });
    child.on('exit', (code) => fail(new Error(`${file} ended with ${code}`)));
  });
  try {
    return { pid: await within(`the start of ${file}`, started), child };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** Polls until `probe` gives something. A probe that hangs is a failure too: a page that is stuck answers no question. */
export async function until<T>(what: string, probe: () => Promise<T | null>, seconds = 60): Promise<T> {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await within(`a look for ${what}`, probe());
    if (found !== null) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((next) => setTimeout(next, 150));
  }
}

export interface BoxRow {
  readonly depth: number;
  readonly name: string;
  readonly selfPercent: number;
  readonly totalPercent: number;
  readonly samples: number;
}

const percent = (text: string): number => (text.includes('<') ? 0.05 : Number.parseFloat(text.replace(',', '.')) || 0);

/** What the canvas shows, from the table that stands beside it for screen readers. */
export async function boxes(page: Page | Locator): Promise<BoxRow[]> {
  const rows = await page.locator('table[aria-label="Boxes of the flame graph"] tbody tr').evaluateAll((all) =>
    all.map((row) => [...row.children].map((cell) => cell.textContent ?? '')));
  return rows.map(([depth, name, , , selfPercent, , totalPercent, samples]) => ({
    depth: Number(depth), name, selfPercent: percent(selfPercent), totalPercent: percent(totalPercent), samples: Number(samples),
  }));
}

export async function choose(page: Page, pid: number): Promise<void> {
  await page.getByLabel('Filter by name, PID, user').fill(String(pid));
  await page.locator(`#process-${pid}`).click();
}

export function recordButton(page: Page): Locator {
  return page.getByRole('region', { name: 'What to record' }).getByRole('button', { name: /^Record/ });
}

/** Running processes of a name below another one: what a recording may not leave behind. */
export function descendants(pid: number, names: RegExp): string[] {
  const rows = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).stdout.split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line)).filter((row) => row !== null)
    .map(([, own, parent, args]) => ({ own: Number(own), parent: Number(parent), args }));
  const below = new Set([pid]);
  for (let grew = true; grew;) {
    const before = below.size;
    for (const row of rows) if (below.has(row.parent)) below.add(row.own);
    grew = below.size > before;
  }
  return rows.filter((row) => below.has(row.own) && row.own !== pid && names.test(row.args)).map((row) => row.args);
}

export async function story(host: Host, savePicture: (click: () => Promise<void>) => Promise<string>): Promise<void> {
  const { page } = host;
  const began = performance.now();
  const step = (what: string): void => console.log(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${what}`);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  const program = await startProgram('known_shares.py');
  try {
    // Pick it; the checks say what can be done before anything starts.
    await choose(page, program.pid);
    await page.getByRole('region', { name: 'What to record' }).getByText(String(program.pid)).first().waitFor();
    await until('a check that says Ready', async () => ((await page.getByRole('region', { name: 'What to record' }).getByText('Ready').count()) > 0 ? true : null));
    await recordButton(page).click();

    step('record pressed');

    // Live: the hot function grows in place.
    await page.getByRole('timer', { name: 'Elapsed' }).waitFor();
    await until('the hot function on screen', async () => (await boxes(page)).find((row) => row.name === 'hot') ?? null, 20);
    step('the hot function is on screen');
    const live = await until('1,500 samples', async () => {
      const rows = await boxes(page);
      const hot = rows.find((row) => row.name === 'hot');
      const warm = rows.find((row) => row.name === 'warm');
      return hot !== undefined && warm !== undefined && hot.samples + warm.samples >= 1500 ? { hot, warm } : null;
    }, 60);
    const share = (100 * live.hot.totalPercent) / (live.hot.totalPercent + live.warm.totalPercent);
    expect(Math.abs(live.hot.totalPercent - HOT_SHARE), `hot has ${live.hot.totalPercent} % of the CPU lane, warm ${live.warm.totalPercent} %`).toBeLessThan(5);
    expect(Math.abs(share - HOT_SHARE), `hot has ${share} % of both`).toBeLessThan(5);

    step(`hot has ${live.hot.totalPercent} % in ${live.hot.samples + live.warm.samples} samples`);

    // Search: the matched share stands beside the field.
    const field = page.getByLabel('Search functions');
    await field.fill('^hot$');
    await until('the matched share', async () => {
      const text = await page.getByRole('toolbar', { name: 'Selection' }).innerText();
      const found = /(\d+(?:\.\d+)?)\s*%/.exec(text);
      return found !== null && Math.abs(Number(found[1]) - HOT_SHARE) < 5 ? true : null;
    });
    await field.fill('');

    step('search matched');

    // Stop; the target goes on.
    await page.getByRole('toolbar', { name: 'Recording' }).getByRole('button', { name: /Stop/ }).click();
    await page.getByRole('toolbar', { name: 'Recording' }).getByRole('button', { name: /Picture/ }).waitFor();
    expect(program.child.exitCode).toBeNull();
    await until('no profiler left', async () => (descendants(process.pid, /py-spy|perf record/).length === 0 ? true : null), 10);

    step('stopped, no profiler left');

    // Close the tab, find the recording again in the list.
    await page.getByRole('tab', { name: /known_shares/ }).press('Delete');
    await page.getByRole('tab', { name: 'Home' }).click();
    await page.getByRole('region', { name: 'Start' }).getByRole('button', { name: /known_shares/ }).first().click();
    const again = await until('the hot function of the reopened recording', async () => (await boxes(page)).find((row) => row.name === 'hot') ?? null, 30);
    expect(Math.abs(again.totalPercent - HOT_SHARE)).toBeLessThan(5);
    expect(again.samples).toBeGreaterThanOrEqual(live.hot.samples);

    step('reopened from the list');

    // A picture for a slide.
    await page.keyboard.press('Control+p');
    const sheet = page.getByRole('dialog', { name: /Picture/ });
    await sheet.getByLabel('Title', { exact: true }).fill('hot takes three quarters');
    const file = await savePicture(() => sheet.getByRole('button', { name: /Save PNG/ }).click());
    const facts = await sharp(file).metadata();
    expect([facts.format, facts.width, facts.height]).toEqual(['png', 3840, 2160]);
    const { channels } = await sharp(file).stats();
    expect(Math.max(...channels.slice(0, 3).map((channel) => channel.stdev)), 'the picture is not blank').toBeGreaterThan(10);
    step('picture saved');
    await page.keyboard.press('Escape');

    expect(errors, 'errors in the page').toEqual([]);
  } finally {
    program.child.kill('SIGKILL');
  }
}
