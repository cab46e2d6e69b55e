import { describe, expect, test } from 'vitest';
import type { PaneValue, PictureOptions, ViewValue } from '#core/analyze/view';
import { FIRST_PICTURE, FIRST_VIEW } from '#core/analyze/view';
import type { LaneKind } from '#core/model/lane';
import type { Profile } from '#core/model/profile';
import { isQuad } from '#core/write/quad-slide';
import { slideSvg } from '#core/write/slide';
import { addStacks, stacks } from '../../support/stacks.ts';

function four(): Profile {
  const { profile } = stacks('main;load;jpeg 300000000\nmain;train 700000000', { name: 'cpu-clock', source: 'perf 99 Hz' });
  const add = (kind: LaneKind, unit: 'ns' | 'bytes', text: string, intervals = false) => {
    const lane = profile.lanes[profile.addLane({ kind, name: kind, unit, intervals })];
    addStacks({ profile, lane }, text);
  };
  add('off-cpu', 'ns', '0+900000000 | main;load;disk: folio_wait_bit ~marker 900000000\n0+100000000 | main;preempted ~marker 100000000', true);
  add('memory', 'bytes', 'main;load 3145728');
  add('cuda', 'ns', 'main;train;kernel ~cuda 500000000');
  Object.assign(profile.info, { title: 'train.py', command: 'python3 train.py', host: 'gpu-07' });
  return profile;
}

const pane = (kind: LaneKind, more: Partial<PaneValue> = {}): PaneValue => ({ kind, lane: null, inverted: false, zoom: [], selected: [], ...more });
const view = (...panes: PaneValue[]): ViewValue => ({ ...FIRST_VIEW, panes, focus: 0 });
const ALL = view(pane('cpu'), pane('off-cpu'), pane('memory'), pane('cuda'));
const slide = (of: ViewValue = ALL, picture: Partial<PictureOptions> = {}): string => slideSvg(four(), of, { ...FIRST_PICTURE, ...picture });

/** Texts with their size and place. */
const texts = (svg: string) => [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)" font-size="([\d.]+)"[^>]*>([^<]*)</g)].map(([, x, y, size, text]) => ({ x: Number(x), y: Number(y), size: Number(size), text }));
const rects = (svg: string) => [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)].map(([, x, y, width, height]) => ({ x: Number(x), y: Number(y), width: Number(width), height: Number(height) }));

describe('a slide of all panes', () => {
  test('is what a view of several panes is, unless one has the whole width', () => {
    expect(isQuad(ALL)).toBe(true);
    expect(isQuad({ ...ALL, wide: true })).toBe(false);
    expect(isQuad(view(pane('cpu')))).toBe(false);
    expect(isQuad(FIRST_VIEW)).toBe(false);
  });

  test('each lane has its name and total above its graph, 2 x 2 with a gap of 40', () => {
    const heads = texts(slide()).filter((one) => one.size === 27 && one.y > 200);
    expect(heads.map((one) => `${one.text} ${one.x}`)).toEqual(['CPU 80', 'Off-CPU 980', 'Memory 80', 'CUDA 980']);
    expect(heads[0].y).toBe(heads[1].y);
    expect(heads[2].y - heads[0].y).toBeGreaterThan(300);
    const said = texts(slide()).map((one) => one.text);
    for (const total of ['1.00 s', '3.00 MiB', '500 ms']) expect(said).toContain(total);
  });

  test('the title names the lanes, the subtitle what widths are', () => {
    const [title, subtitle] = texts(slide());
    expect(title.text).toBe('train.py: CPU, Off-CPU, Memory and CUDA side by side');
    expect(subtitle.text).toBe('python3 train.py on gpu-07. Widths are CPU time, waiting time, allocated memory and GPU time.');
    expect(texts(slide(ALL, { title: 'Loading waits for the disk' }))[0].text).toBe('Loading waits for the disk');
  });

  test('everything lies on the slide, and no text is under 18', () => {
    for (const count of [2, 3, 4]) {
      const svg = slide({ ...ALL, panes: ALL.panes?.slice(0, count) ?? [] });
      for (const rect of rects(svg)) expect(rect.x >= 0 && rect.y >= 0 && rect.x + rect.width <= 1920 && rect.y + rect.height <= 1080).toBe(true);
      for (const text of texts(svg)) expect(text.size).toBeGreaterThanOrEqual(18);
    }
  });

  test('the legend has kinds of code and reasons; what is no wait is hatched', () => {
    const svg = slide();
    const foot = texts(svg).filter((one) => one.y > 1000).map((one) => one.text);
    expect(foot).toEqual(expect.arrayContaining(['Native', 'Disk', 'Preempted']));
    expect(svg.match(/<path /g)).toHaveLength(1);
  });

  test('a pane without samples is left out; where all are, it says so', () => {
    const heads = texts(slide(view(pane('cpu'), pane('gpu-idle'), pane('cuda')))).filter((one) => one.size === 27 && one.y > 200);
    expect(heads.map((one) => one.text)).toEqual(['CPU', 'CUDA']);
    expect(() => slide(view(pane('gpu-idle'), pane('gpu-memory')))).toThrow('nothing to draw');
  });

  test('each pane keeps its zoom and its threads', () => {
    const zoom = ['main', 'load'].map((name) => ({ name, file: '', library: '' }));
    const svg = slide(view(pane('cpu', { zoom }), pane('cuda')));
    // Of CPU: load over the whole width, and jpeg below it.
    const wide = rects(svg).filter((rect) => rect.x === 80 && rect.width >= 858 && rect.y > 200 && rect.y < 900 && rect.height < 40);
    expect(wide).toHaveLength(2);
    expect(texts(slide(view(pane('cpu', { threads: [99] }), pane('cuda')))).filter((one) => one.size === 27 && one.y > 200).map((one) => one.text)).toEqual(['CUDA']);
  });
});
