// Order of the functions table. Pure.
import type { FunctionRow } from '#core/analyze/functions';
import type { FunctionId } from '#core/model/ids';
import type { FunctionTable } from '#core/model/tables';

export type SortBy = 'name' | 'place' | 'self' | 'total' | 'boxes';

/** Numbers begin with the largest, names with A. */
export function firstDirection(by: SortBy): 1 | -1 {
  return by === 'name' || by === 'place' ? 1 : -1;
}

/** A sorted copy; equal rows are ordered by name, so that a row never moves without a reason. */
export function sorted(rows: readonly FunctionRow[], by: SortBy, direction: 1 | -1, functions: FunctionTable): FunctionRow[] {
  const byName = (a: FunctionRow, b: FunctionRow) => compareText(functions.nameOf(a.fn), functions.nameOf(b.fn)) || a.fn - b.fn;
  const of: Record<SortBy, (a: FunctionRow, b: FunctionRow) => number> = {
    name: byName,
    place: (a, b) => compareText(placeOf(functions, a.fn), placeOf(functions, b.fn)),
    self: (a, b) => a.self - b.self,
    total: (a, b) => a.total - b.total,
    boxes: (a, b) => a.boxes - b.boxes,
  };
  const compare = of[by];
  return [...rows].sort((a, b) => direction * compare(a, b) || byName(a, b));
}

/** File of a function, else its library, '' where neither is known. */
export function placeOf(functions: FunctionTable, fn: FunctionId): string {
  const file = functions.fileOf(fn);
  return file === '' ? functions.libraryOf(fn) : file.slice(file.lastIndexOf('/') + 1);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
