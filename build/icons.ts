// `node build/icons.ts`: the PNG icons, from build/icon.svg. Run when the drawing changes; the results are committed.
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';

const here = dirname(fileURLToPath(import.meta.url));
const drawing = readFileSync(join(here, 'icon.svg'));
mkdirSync(join(here, 'icons'), { recursive: true });
for (const size of [16, 24, 32, 48, 64, 128, 256, 512]) {
  await sharp(drawing, { density: 300 }).resize(size, size).png({ compressionLevel: 9 }).toFile(join(here, 'icons', `${size}x${size}.png`));
}
await sharp(drawing, { density: 300 }).resize(256, 256).png({ compressionLevel: 9 }).toFile(join(here, '..', 'resources', 'icon.png'));
