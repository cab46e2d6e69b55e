import { describe, expect, test } from 'vitest';
import type { PictureOptions, ViewValue } from '#core/analyze/view';
import { FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';
import { escaped } from '#core/write/drawing';
import { slideSvg } from '#core/write/slide';
import { svg } from '#core/write/svg';
import { stacks } from '../../support/stacks.ts';
import { TO_DECODE, TO_FETCH, TO_RESAMPLE, fetchView, pathTo, training } from '../../support/training.ts';

const made = training();
const slide = (picture: Partial<PictureOptions> = {}, view: ViewValue = fetchView(made)): string => slideSvg(made.profile, view, { ...FIRST_PICTURE, ...picture });

interface Element { name: string; text: string; attributes: Record<string, string> }

/** Elements in order. Throws where the document is not well-formed. */
function elements(document: string): Element[] {
  const found: Element[] = [];
  const open: string[] = [];
  const rest = document.replace(/<\?xml[^>]*\?>|<\/?([a-z]+)((?:\s+[a-zA-Z-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gi, (tag: string, name?: string, attributes?: string, alone?: string, text?: string) => {
    if (text !== undefined) {
      if (/&(?!(amp|lt|gt|quot);)/.test(text)) throw new Error(`bare & in ${text}`);
      if (found.length > 0 && text.trim() !== '') found[found.length - 1].text += text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
    } else if (name !== undefined && tag.startsWith('</')) {
      if (open.pop() !== name) throw new Error(`${tag} closes another element`);
    } else if (name !== undefined) {
      if (alone === '') open.push(name);
      found.push({ name, text: '', attributes: Object.fromEntries([...(attributes ?? '').matchAll(/([a-z-]+)="([^"]*)"/gi)].map((match) => [match[1], match[2]])) });
    }
    return '';
  });
  if (rest.trim() !== '' || open.length > 0) throw new Error(`not well-formed: ${rest.slice(0, 80)} ${open.join(' ')}`);
  return found;
}
const texts = (document: string): string[] => elements(document).filter((element) => element.name === 'text').map((element) => element.text);

describe('a slide', () => {
  test('is one well-formed document with its size, searchable text and a title for every box', () => {
    const all = elements(slide());
    expect(all[0].attributes).toMatchObject({ width: '1920', height: '1080', viewBox: '0 0 1920 1080' });
    const groups = all.filter((element) => element.name === 'g').length;
    expect(all.filter((element) => element.name === 'title').length).toBe(groups + 1);
    expect(texts(slide())).toContain('ImagingJpegDecode');
    expect(slide()).toContain('<title>&lt;listcomp&gt; (fetch.py:52), ');
  });
  test('has nothing smaller than 22 units but the digits in discs', () => {
    const callouts = [{ path: pathTo(made, TO_DECODE), title: '', note: '' }];
    for (const picture of [{}, { width: 900, height: 600 }, { text: 10 }, { callouts }]) {
      const sizes = elements(slide(picture)).filter((element) => element.name === 'text' && !/^\d$/.test(element.text)).map((element) => Number(element.attributes['font-size']));
      expect(Math.min(...sizes)).toBeGreaterThanOrEqual(22);
    }
  });
  test('keeps everything inside its margins', () => {
    for (const [width, height] of [[1920, 1080], [1440, 1080], [900, 600], [3000, 800]]) {
      for (const element of elements(slide({ width, height })).slice(1)) {
        if (element.name !== 'rect' || element.attributes['fill'] === '#ffffff') continue;
        const margin = width < 1200 || height < 720 ? 36 : 80;
        expect(Number(element.attributes['x'])).toBeGreaterThanOrEqual(margin);
        expect(Number(element.attributes['x']) + Number(element.attributes['width'])).toBeLessThanOrEqual(width - margin);
        expect(Number(element.attributes['y']) + Number(element.attributes['height'])).toBeLessThanOrEqual(height - 20);
      }
    }
  });
  test('begins at the zoomed box', () => {
    expect(texts(slide())).not.toContain('spawn_main');
    expect(texts(slide())).toContain('fetch');
    expect(texts(slide({}, FIRST_VIEW))).toContain('spawn_main');
  });
  test('stands on white, on dark, or on nothing', () => {
    const ground = (theme: PictureOptions['theme']): string => elements(slide({ theme }))[2].attributes['fill'];
    expect(ground('light')).toBe('#ffffff');
    expect(ground('dark')).toBe('#17191d');
    expect(slide({ theme: 'clear' })).not.toContain('width="1920" height="1080" fill');
  });
  test('has a legend of the kinds that occur, and can be without', () => {
    expect(texts(slide())).toEqual(expect.arrayContaining(['Python', 'Native', 'Linux kernel']));
    expect(texts(slide())).not.toContain('Rust');
    expect(texts(slide({ legend: false }))).not.toContain('Python');
  });
  test('has source, samples, host, commit and date at its foot', () => {
    expect(texts(slide()).at(-1)).toBe('perf 99 Hz, 1\u2009159 samples · gpu-07 · 3f2a91c · 22 Nov 2026');
    expect(texts(slide({ caption: false })).join()).not.toContain('3f2a91c');
  });
});

describe('words of the recording where none were written', () => {
  test('title and subtitle', () => {
    expect(texts(slide({}, FIRST_VIEW)).slice(0, 2)).toEqual([
      'train.py: cudaLaunchKernel alone takes 36.5 % of CPU time', 'python train.py --model vit_b_16 --workers 4. Width is CPU time: 11.5 s.',
    ]);
    expect(texts(slide())[1]).toBe('python train.py --model vit_b_16 --workers 4. Width is CPU time: 7.31 s below fetch, 63.5 % of 11.5 s.');
  });
  test('without a caption the subtitle has host, samples and date', () => {
    expect(texts(slide({ caption: false }, FIRST_VIEW))[1]).toBe('python train.py --model vit_b_16 --workers 4 on gpu-07. Width is CPU time: 11.5 s. 1\u2009159 samples, 22 Nov 2026.');
  });
  test('in little room the command is shortened, not the width', () => {
    expect(texts(slide({ width: 900, height: 600 }))[1]).toBe('train.py. Width is CPU time: 7.31 s below fetch, 63.5 % of 11.5 s.');
  });
  test('what was written stands', () => {
    expect(texts(slide({ title: 'A & B < C', subtitle: 'x' })).slice(0, 2)).toEqual(['A & B < C', 'x']);
    expect(texts(slide({ title: 'word '.repeat(80) }))[0]).toMatch(/^(word )+.*…$/);
  });
});

describe('callouts', () => {
  const callouts = [TO_DECODE, TO_RESAMPLE].map((names, i) => ({ path: pathTo(made, names), title: `Title ${i + 1}`, note: `Note ${i + 1}` }));
  const at = (document: string, text: string): [number, number] => {
    const element = elements(document).find((candidate) => candidate.name === 'text' && candidate.text === text);
    return [Number(element?.attributes['x']), Number(element?.attributes['y'])];
  };
  test('stand under the graph at the frame\'s left edge, numbered', () => {
    const document = slide({ callouts });
    expect(at(document, 'Title 1')).toEqual([130, 800]);
    expect(at(document, 'Title 2')[1]).toBe(800);
    expect(elements(document).filter((element) => element.name === 'circle').length).toBe(4);
  });
  test('stand below each other where they would meet', () => {
    const long = callouts.map((callout) => ({ ...callout, note: 'as long as a line of a book, which is longer than there is room beside another '.repeat(2) }));
    const document = slide({ callouts: long });
    expect(at(document, 'Title 2')[1]).toBeGreaterThan(at(document, 'Title 1')[1]);
  });
  test('say name and share where nothing was written', () => {
    expect(texts(slide({ callouts: [{ path: pathTo(made, TO_DECODE), title: '', note: '' }] }))).toEqual(expect.arrayContaining(['ImagingJpegDecode, 25.7 %', '2.96 s']));
  });
  test('of a frame that is not in the view are left out', () => {
    expect(texts(slide({ callouts: [{ path: [{ name: 'nobody', file: '', library: '' }], title: 'Nobody', note: '' }] }))).not.toContain('Nobody');
  });
  test('leave room for themselves', () => {
    const many = [...callouts, ...callouts].map((callout) => ({ ...callout, note: 'long '.repeat(60) }));
    for (const element of elements(slide({ callouts: many }))) if (element.name === 'text') expect(Number(element.attributes['y'])).toBeLessThan(1080 - 30);
  });
});

describe('deep stacks', () => {
  const chain = (from: number, to: number): string => Array.from({ length: to - from }, (_, i) => `f${from + i}`).join(';');
  const deep = stacks(`${chain(0, 40)} 10`);
  const text = (picture: Partial<PictureOptions>): string => texts(slideSvg(deep.profile, FIRST_VIEW, { ...FIRST_PICTURE, ...picture })).join(' ');
  test('callers that fill the width give way, and what is hidden is said', () => {
    expect(text({})).toContain('26 rows of callers are not shown');
    expect(text({})).toContain('f39');
    const split = stacks(`${chain(0, 10)};a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p 5\n${chain(0, 10)};z 5`);
    expect(texts(slideSvg(split.profile, FIRST_VIEW, FIRST_PICTURE)).join(' ')).toContain('9 rows of callers and 3 deeper rows are not shown');
  });
  test('as many rows as were asked for', () => {
    expect(text({ depth: 3 })).toContain('37 rows of callers are not shown');
    expect(text({ depth: 100, height: 2400 })).not.toContain('not shown');
  });
});

test('flames upward put callers at the foot', () => {
  const y = (view: Partial<ViewValue>): number => Number(elements(slide({}, { ...FIRST_VIEW, ...view })).find((element) => element.text === 'spawn_main')?.attributes['y']);
  expect(y({ rootOnTop: false })).toBeGreaterThan(y({}));
});

test('what a search finds is outlined and counted', () => {
  const document = slide({}, { ...fetchView(made), search: 'jpeg' });
  expect(elements(document).filter((element) => element.attributes['stroke'] === '#c2148c').length).toBe(3);
  expect(texts(document)).toContain('jpeg: 25.7 %');
});

test('nothing to draw says so', () => {
  const empty = stacks('');
  expect(() => slideSvg(empty.profile, FIRST_VIEW, FIRST_PICTURE)).toThrow('there is nothing to draw');
  expect(() => slide({}, { ...FIRST_VIEW, selection: { ...FIRST_VIEW.selection, ranges: [[5, 6]] } })).toThrow('there is nothing to draw');
  expect(() => slide({ width: 100_000 })).toThrow('cannot be made');
  expect(() => slide({ width: NaN })).toThrow('cannot be made');
});

test('names from outside cannot break the document', () => {
  const hostile = stacks('main </text><script>alert(1)</script>;a&b"c 5');
  const document = new TextDecoder().decode([...svg.write(hostile.profile, FIRST_VIEW, FIRST_PICTURE)][0]);
  expect(() => elements(document)).not.toThrow();
  expect(document).not.toContain('<script');
  expect(escaped('a\u0000b\ud800c\u{1f680}<&>"')).toBe('a\ufffdb\ufffdc\u{1f680}&lt;&amp;&gt;&quot;');
});

test('the same view gives the same picture', () => {
  expect(slide()).toBe(slide());
  const again = training();
  expect(slideSvg(again.profile, fetchView(again), FIRST_PICTURE)).toBe(slide());
  expect(pathTo(made, TO_FETCH).length).toBe(5);
});
