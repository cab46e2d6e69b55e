// Makes resources/fonts/*.ttf and core/analyze/advances.ts from the font packages: `node build/fonts.ts`.
// Run it again when a font package changes; both results are committed, so that neither a build nor a test needs it.
// WOFF 1.0: https://www.w3.org/TR/WOFF/ ; tables of the font: https://learn.microsoft.com/typography/opentype/spec/
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

const root = new URL('../', import.meta.url);
const fonts = new URL('resources/fonts/', root);

const SUBSETS = ['latin', 'latin-ext', 'greek', 'cyrillic'];
const STYLES: Readonly<Record<number, string>> = { 400: 'Regular', 500: 'Medium', 600: 'SemiBold' };
const FAMILIES = [
  { id: 'inter', name: 'Inter', file: 'Inter', weights: [400, 500, 600] },
  { id: 'jetbrains-mono', name: 'JetBrains Mono', file: 'JetBrainsMono', weights: [400] },
];

/** A WOFF 1.0 file as the TTF inside it, with names of its own: the directory without lengths of compressed tables, then each table on 4 bytes. */
function toTtf(woff: Buffer, names: ReadonlyMap<number, string>): Buffer {
  if (woff.toString('latin1', 0, 4) !== 'wOFF') throw new Error('not a WOFF 1.0 file');
  const count = woff.readUInt16BE(12);
  const tables = Array.from({ length: count }, (_, i) => {
    const at = 44 + i * 20;
    const from = woff.readUInt32BE(at + 4);
    const packed = woff.readUInt32BE(at + 8);
    const size = woff.readUInt32BE(at + 12);
    const bytes = woff.subarray(from, from + packed);
    const tag = woff.subarray(at, at + 4);
    if (tag.toString('latin1') === 'name') {
      const data = nameTable(names);
      return { tag, checksum: checksumOf(data), data };
    }
    return { tag, checksum: woff.readUInt32BE(at + 16), data: packed < size ? inflateSync(bytes) : bytes };
  });
  const power = 2 ** Math.floor(Math.log2(count));
  const head = Buffer.alloc(12 + count * 16);
  woff.copy(head, 0, 4, 8);
  head.writeUInt16BE(count, 4);
  head.writeUInt16BE(power * 16, 6);
  head.writeUInt16BE(Math.log2(power), 8);
  head.writeUInt16BE((count - power) * 16, 10);
  const parts: Buffer[] = [head];
  let offset = head.length;
  tables.forEach((table, i) => {
    const at = 12 + i * 16;
    table.tag.copy(head, at);
    head.writeUInt32BE(table.checksum, at + 4);
    head.writeUInt32BE(offset, at + 8);
    head.writeUInt32BE(table.data.length, at + 12);
    const padding = Buffer.alloc((4 - (table.data.length % 4)) % 4);
    parts.push(table.data, padding);
    offset += table.data.length + padding.length;
  });
  return Buffer.concat(parts);
}

/**
 * A `name` table of these names (Windows, Unicode, English). The packages call each weight a family of its own ("Inter
 * Medium"), so that a program which asks for Inter at weight 500 would not find it.
 */
function nameTable(names: ReadonlyMap<number, string>): Buffer {
  const head = Buffer.alloc(6 + names.size * 12);
  head.writeUInt16BE(names.size, 2);
  head.writeUInt16BE(head.length, 4);
  const texts: Buffer[] = [];
  let offset = 0;
  [...names].sort(([a], [b]) => a - b).forEach(([id, name], i) => {
    const text = Buffer.from(name, 'utf16le').swap16();
    [3, 1, 0x409, id, text.length, offset].forEach((value, field) => head.writeUInt16BE(value, 6 + i * 12 + field * 2));
    texts.push(text);
    offset += text.length;
  });
  return Buffer.concat([head, ...texts]);
}

function checksumOf(data: Buffer): number {
  const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
  let sum = 0;
  for (let i = 0; i < padded.length; i += 4) sum = (sum + padded.readUInt32BE(i)) >>> 0;
  return sum;
}

function table(ttf: Buffer, tag: string): Buffer {
  for (let i = 0; i < ttf.readUInt16BE(4); i++) {
    const at = 12 + i * 16;
    if (ttf.toString('latin1', at, at + 4) !== tag) continue;
    return ttf.subarray(ttf.readUInt32BE(at + 8), ttf.readUInt32BE(at + 8) + ttf.readUInt32BE(at + 12));
  }
  throw new Error(`the font has no table ${tag}`);
}

/** Glyph by code point, from a `cmap` subtable of format 4. */
function glyphs(cmap: Buffer): Map<number, number> {
  const found = new Map<number, number>();
  for (let i = 0; i < cmap.readUInt16BE(2); i++) {
    const at = cmap.readUInt32BE(4 + i * 8 + 4);
    if (cmap.readUInt16BE(at) !== 4) continue;
    const segments = cmap.readUInt16BE(at + 6) / 2;
    const ends = at + 14;
    const starts = ends + segments * 2 + 2;
    const deltas = starts + segments * 2;
    const offsets = deltas + segments * 2;
    for (let s = 0; s < segments; s++) {
      const start = cmap.readUInt16BE(starts + s * 2);
      const end = cmap.readUInt16BE(ends + s * 2);
      const delta = cmap.readUInt16BE(deltas + s * 2);
      const offset = cmap.readUInt16BE(offsets + s * 2);
      for (let code = start; code <= end && code < 0xffff; code++) {
        let glyph = code;
        if (offset > 0) glyph = cmap.readUInt16BE(offsets + s * 2 + offset + (code - start) * 2);
        if (offset === 0 || glyph !== 0) glyph = (glyph + delta) & 0xffff;
        if (glyph !== 0) found.set(code, glyph);
      }
    }
  }
  return found;
}

/** Advance by code point, in thousandths of the font size. */
function advances(ttf: Buffer, into: Map<number, number>): void {
  const unitsPerEm = table(ttf, 'head').readUInt16BE(18);
  const metrics = table(ttf, 'hhea').readUInt16BE(34);
  const hmtx = table(ttf, 'hmtx');
  for (const [code, glyph] of glyphs(table(ttf, 'cmap'))) {
    if (into.has(code)) continue;
    into.set(code, Math.round((hmtx.readUInt16BE(Math.min(glyph, metrics - 1) * 4) / unitsPerEm) * 1000));
  }
}

/** Runs of neighbouring code points, one line each: `[first, 'a b c']`. */
function runs(widths: ReadonlyMap<number, number>): string {
  const lines: string[] = [];
  const codes = [...widths.keys()].filter((code) => code >= 32).sort((a, b) => a - b);
  for (let i = 0; i < codes.length;) {
    let end = i;
    while (codes[end + 1] === codes[end] + 1 && end + 1 - i < 40) end++;
    const values = codes.slice(i, end + 1).map((code) => widths.get(code));
    lines.push(`    [${codes[i]}, '${values.join(' ')}'],`);
    i = end + 1;
  }
  return lines.join('\n');
}

mkdirSync(fonts, { recursive: true });
const tables: string[] = [];
for (const family of FAMILIES) {
  const files = new URL(`node_modules/@fontsource/${family.id}/`, root);
  const copyright = readFileSync(new URL('LICENSE', files), 'utf8').split('\n')[0].trim();
  copyFileSync(new URL('LICENSE', files), new URL(`${family.file}-LICENSE.txt`, fonts));
  for (const weight of family.weights) {
    const widths = new Map<number, number>();
    for (const subset of SUBSETS) {
      const ttf = toTtf(readFileSync(new URL(`files/${family.id}-${subset}-${weight}-normal.woff`, files)), new Map([
        // Family and style twice: for old readers, and as the typographic names.
        [0, copyright], [1, family.name], [2, STYLES[weight]], [3, `${family.file} ${weight} ${subset}`], [4, `${family.name} ${STYLES[weight]}`],
        [6, `${family.file}-${STYLES[weight]}`], [13, 'SIL Open Font License, Version 1.1'], [14, 'https://openfontlicense.org'],
         [16, family.name], [17, STYLES[weight]],
      ]));
      writeFileSync(new URL(`${family.file}-${weight}-${subset}.ttf`, fonts), ttf);
      advances(ttf, widths);
    }
    if (family.id === 'inter') tables.push(`  ${weight}: [\n${runs(widths)}\n  ],`);
  }
}
writeFileSync(new URL('core/analyze/advances.ts', root), `// Made by build/fonts.ts from @fontsource/inter; not edited by hand.

/** Advances of Inter in thousandths of the font size, by weight: runs of neighbouring code points, the first one and their widths. */
export const ADVANCES: Readonly<Record<400 | 500 | 600, readonly (readonly [number, string])[]>> = {
${tables.join('\n')}
};
`);
