// The picture of a view as a standalone SVG: its text can be searched and chosen, each box tells its name and share.
import type { Export } from './index.ts';
import { slideSvg } from './slide.ts';

const ENCODER = new TextEncoder();

export const svg: Export = {
  id: 'svg', extension: '.svg', title: 'SVG picture', type: 'image/svg+xml',
  write: (profile, view, picture) => [ENCODER.encode(slideSvg(profile, view, picture))],
};
