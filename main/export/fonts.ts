import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type sharpType from 'sharp';
import { RESOURCES } from '../paths.ts';

type Sharp = typeof sharpType;

// A packaged application has its files in an archive that native code cannot read; resources lie unpacked beside it.
const FOLDER = join(RESOURCES, 'fonts').replace(/\.asar(?=\/)/, '.asar.unpacked');

/**
 * Adds the fonts that come with us to those that pictures are drawn with: without any, a machine draws empty squares.
 *
 * A text drawn with a font file adds this file for the whole process, drawings of SVG included. The usual way, the variable
 * FONTCONFIG_FILE, would reach the programs that we start, and cannot be set from a worker thread.
 */
export async function addOurFonts(sharp: Sharp): Promise<void> {
  for (const file of readdirSync(FOLDER)) {
    if (file.endsWith('.ttf')) await sharp({ text: { text: 'a', font: 'Inter', fontfile: join(FOLDER, file) } }).raw().toBuffer();
  }
}
