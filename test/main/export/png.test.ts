import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import { kindColour } from '#core/analyze/colour';
import type { PictureOptions } from '#core/analyze/view';
import { FIRST_PICTURE } from '#core/analyze/view';
import { renderPng } from '../../../main/export/png.ts';
import { fetchView, training } from '../../support/training.ts';

const made = training();
const folder = mkdtempSync(join(tmpdir(), 'flamebench-png-'));
afterAll(() => { rmSync(folder, { recursive: true }); });

function png(picture: Partial<PictureOptions>): Promise<Buffer> {
  return renderPng(made.profile, fetchView(made), { ...FIRST_PICTURE, scale: 1, ...picture });
}

/** How many pixels have each colour, as `#rrggbb`; `clear` for those that let all through. */
async function colours(image: Buffer): Promise<Map<string, number>> {
  const { data, info } = await sharp(image).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const found = new Map<string, number>();
  for (let at = 0; at < info.width * info.height * 4; at += 4) {
    const colour = data[at + 3] === 0 ? 'clear' : `#${data.subarray(at, at + 3).toString('hex')}`;
    found.set(colour, (found.get(colour) ?? 0) + 1);
  }
  return found;
}

describe('a picture', () => {
  test('has the size that was asked for, at every scale', async () => {
    for (const [scale, width, height] of [[1, 1920, 1080], [2, 1920, 1080], [4, 960, 540], [1, 1440, 1080], [3, 901, 601]]) {
      const { width: w, height: h, format } = await sharp(await png({ scale, width, height })).metadata();
      expect([format, w, h]).toEqual(['png', width * scale, height * scale]);
    }
  });
  test('has the colours of its theme', async () => {
    const light = await colours(await png({ theme: 'light' }));
    expect(light.get('#ffffff')).toBeGreaterThan(1_000_000);
    // A legend square is 22 by 22 of the kind's own colour.
    for (const kind of ['python', 'native', 'kernel'] as const) expect(light.get(kindColour(kind, 'light'))).toBeGreaterThanOrEqual(440);
    const dark = await colours(await png({ theme: 'dark' }));
    expect(dark.get('#17191d')).toBeGreaterThan(1_000_000);
    for (const kind of ['python', 'native', 'kernel'] as const) expect(dark.get(kindColour(kind, 'dark'))).toBeGreaterThanOrEqual(440);
    expect((await colours(await png({ theme: 'clear' }))).get('clear')).toBeGreaterThan(1_000_000);
  });
  test('is refused where it would be too large', async () => {
    await expect(png({ width: 20_000, height: 20_000 })).rejects.toThrow('too large');
  });
});

// In a process of its own, in a worker thread, without a home, without any font of the system.
const ALONE = `
  import { isMainThread, Worker } from 'node:worker_threads';
  import { writeFileSync } from 'node:fs';
  const [png, support, view] = ${JSON.stringify(['main/export/png.ts', 'test/support/training.ts', 'core/analyze/view.ts'].map((path) => new URL(`../../../${path}`, import.meta.url).href))};
  if (isMainThread) new Worker(new URL(import.meta.url));
  else {
    const { renderPng } = await import(png);
    const { training, fetchView } = await import(support);
    const { FIRST_PICTURE } = await import(view);
    const made = training();
    for (const title of ['OOOOOOOO', 'IIIIIIII', 'ÖÖÖÖÖÖÖÖ', 'ЖЖЖЖЖЖЖЖ']) {
      const picture = { ...FIRST_PICTURE, scale: 1, title, subtitle: 'x' };
      writeFileSync(process.env.OUT + '/' + title + '.png', await renderPng(made.profile, fetchView(made), picture));
    }
  }
`;

test('text is drawn with our own fonts where the machine has none', async () => {
  const script = join(folder, 'alone.mjs');
  writeFileSync(script, ALONE);
  const empty = join(folder, 'fonts.conf');
  writeFileSync(empty, '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd"><fontconfig></fontconfig>');
  await promisify(execFile)(process.execPath, [script], { env: { HOME: folder, FONTCONFIG_FILE: empty, OUT: folder, PATH: '' } });
  // The first capital's pixels: how many are dark in the title's first 40 units.
  const ink = async (title: string): Promise<number> => {
    const { data } = await sharp(join(folder, `${title}.png`)).extract({ left: 80, top: 70, width: 300, height: 75 }).greyscale().raw().toBuffer({ resolveWithObject: true });
    return data.reduce((sum, value) => sum + (value < 128 ? 1 : 0), 0);
  };
  const all = await Promise.all(['OOOOOOOO', 'IIIIIIII', 'ÖÖÖÖÖÖÖÖ', 'ЖЖЖЖЖЖЖЖ'].map(ink));
  // Squares for want of a glyph would give the same ink for each.
  expect(new Set(all).size).toBe(4);
  expect(all[0]).toBeGreaterThan(all[1] * 1.5);
  expect(all[2]).toBeGreaterThan(all[0]);
  for (const amount of all) expect(amount).toBeGreaterThan(500);
});
