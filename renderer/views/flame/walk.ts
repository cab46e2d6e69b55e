// Arrow keys over boxes: which box is next. Pure.
import type { Boxes } from '#core/analyze/layout';

export type Step = 'left' | 'right' | 'caller' | 'callee';

/**
 * The next box with a node from `box` in a direction; `box` itself where there is none.
 * A callee is the widest one; left and right go to the neighbour in the same row, over gaps.
 */
export function walk(boxes: Boxes, box: number, step: Step): number {
  if (box < 0) return firstBox(boxes);
  const row = boxes.row[box];
  const from = boxes.x[box];
  const to = from + boxes.width[box];
  let best = box;
  let bestValue = -Infinity;
  for (let i = 0; i < boxes.count; i++) {
    if (boxes.node[i] < 0 || i === box) continue;
    const x = boxes.x[i];
    const end = x + boxes.width[i];
    let value: number;
    switch (step) {
      case 'left':
        if (boxes.row[i] !== row || x >= from) continue;
        value = x;
        break;
      case 'right':
        if (boxes.row[i] !== row || x <= from) continue;
        value = -x;
        break;
      case 'caller':
        if (boxes.row[i] !== row - 1 || x > from + 0.01 || end < to - 0.01) continue;
        value = boxes.width[i];
        break;
      case 'callee':
        if (boxes.row[i] !== row + 1 || x < from - 0.01 || end > to + 0.01) continue;
        value = boxes.width[i];
        break;
    }
    if (value > bestValue) {
      bestValue = value;
      best = i;
    }
  }
  return best;
}

/** The widest box of the first row. */
export function firstBox(boxes: Boxes): number {
  let best = -1;
  for (let i = 0; i < boxes.count; i++) {
    if (boxes.node[i] < 0 || boxes.row[i] !== 0) continue;
    if (best < 0 || boxes.width[i] > boxes.width[best]) best = i;
  }
  return best;
}
