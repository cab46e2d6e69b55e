import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutToFit, kernelName, labelFor, lastPart, placeText, textWidth } from '#core/analyze/labels';

describe('widths', () => {
  test('a text is as wide as its letters', () => {
    expect(textWidth('', 11)).toBe(0);
    expect(textWidth('ab', 1000)).toBe(textWidth('a', 1000) + textWidth('b', 1000));
    expect(textWidth('m', 22)).toBeCloseTo(2 * textWidth('m', 11), 6);
    expect(textWidth('main', 11, 600)).toBeGreaterThan(textWidth('main', 11, 400));
    // Digits of one width would need the font's tabular figures; these are the proportional ones.
    expect(textWidth('1', 1000)).toBeLessThan(textWidth('0', 1000));
  });
  test('letters of other scripts have a width', () => {
    expect(textWidth('関数', 10)).toBe(20);
    expect(textWidth('é', 1000)).toBeCloseTo(textWidth('e', 1000), -1);
    expect(textWidth('Привет', 10)).toBeGreaterThan(30);
    expect(textWidth('🚀', 10)).toBe(10);
  });
});

describe('labels', () => {
  const label = (name: string, place: string, room: number): string | null => {
    const found = labelFor(name, place, room, 11);
    return found === null ? null : found.place === '' ? found.name : `${found.name} ${found.place}`;
  };
  test('the first that fits', () => {
    expect(label('forward', 'vit.py:88', 200)).toBe('forward vit.py:88');
    expect(label('forward', 'vit.py:88', 60)).toBe('forward');
    expect(label('at::native::addmm_out_cuda_impl', '', 250)).toBe('at::native::addmm_out_cuda_impl');
    expect(label('at::native::addmm_out_cuda_impl', '', 135)).toBe('…addmm_out_cuda_impl');
    expect(label('at::native::addmm_out_cuda_impl', '', 60)).toBe('addmm_…');
    expect(label('forward', '', 30)).toBe('for…');
  });
  test('nothing in too little room', () => {
    expect(label('f', '', 21)).toBe(null);
    expect(label('f', '', 22)).toBe('f');
    expect(label('mmmmmm', '', 30)).toBe(null);
  });
  test('no label is wider than its room, and none loses all but two letters', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.integer({ min: 0, max: 300 }), (name, place, room) => {
      const found = labelFor(name, place, room, 11);
      if (found === null) return;
      const width = found.nameWidth + (found.place === '' ? 0 : 7 + textWidth(found.place, 11));
      expect(width).toBeLessThanOrEqual(room + 1e-9);
      expect(found.nameWidth).toBeCloseTo(textWidth(found.name, 11), 6);
    }));
  });
  test('cutting never parts a pair', () => {
    expect(cutToFit('ab🚀🚀🚀', 38, 10)).toBe('ab🚀…');
  });
});

test('the last part of a name', () => {
  expect(lastPart('a::b<x::y>::c')).toBe('c');
  expect(lastPart('a::c(d::e)')).toBe('c(d::e)');
  expect(lastPart('main')).toBe('main');
  expect(lastPart('a::operator<')).toBe('operator<');
  expect(lastPart('a::operator<<(b::c)')).toBe('operator<<(b::c)');
  expect(lastPart('<T as core::fmt::Debug>::fmt')).toBe('fmt');
  expect(lastPart('core::ops::function::FnOnce::call_once{{vtable.shim}}')).toBe('call_once{{vtable.shim}}');
  expect(lastPart('a::')).toBe('a::');
});

test('kernels lose void, arguments and repeated namespaces', () => {
  expect(kernelName('void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<int>, at::detail::Array<char*, 1>>(int, at::native::FillFunctor<int>)'))
    .toBe('at::native::vectorized_elementwise_kernel<4, FillFunctor<int>, detail::Array<char*, 1>>');
  expect(kernelName('ampere_sgemm_128x64_tn')).toBe('ampere_sgemm_128x64_tn');
  expect(kernelName('void (anonymous namespace)::softmax<float>(float*)')).toBe('softmax<float>');
  expect(kernelName('cast (int)')).toBe('cast');
});

test('the place of a frame', () => {
  expect(placeText('/usr/lib/python3.11/site-packages/PIL/Image.py', 982)).toBe('Image.py:982');
  expect(placeText('vit.py', 0)).toBe('vit.py');
  expect(placeText('', 7)).toBe('');
});
