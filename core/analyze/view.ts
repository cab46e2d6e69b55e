import type { LaneKind } from '#core/model/lane';

/** Sorted, non-overlapping [start, end) in ns since the recording began. null = all of it. */
export type TimeRanges = readonly (readonly [number, number])[] | null;

/** A function as it is named across recordings: never a row number. */
export interface FunctionRef {
  readonly name: string;
  readonly file: string;
  readonly library: string;
}

/** One step of the visible stack of transforms (the letters are Firefox Profiler's). */
export type Transform =
  | { readonly kind: 'focus'; readonly fn: FunctionRef }
  | { readonly kind: 'merge'; readonly fn: FunctionRef }
  | { readonly kind: 'drop'; readonly fn: FunctionRef }
  | { readonly kind: 'collapse-library'; readonly library: string }
  | { readonly kind: 'collapse-recursion'; readonly fn: FunctionRef }
  | { readonly kind: 'my-code' }
  /** Of waiting time: only, or not, what waited for this reason (core/read/perf/reasons.ts). Other lanes are as they were. */
  | { readonly kind: 'keep-reason' | 'drop-reason'; readonly reason: string };

/** A lane as a view names it. */
export interface LaneRef {
  readonly kind: LaneKind;
  readonly name: string;
}

/**
 * While a box was so: the intervals of a lane's rows under one box (a wait, GPU idle). Other lanes than its own show only what
 * ran in them. It says which box, not which times, so that it goes on meaning the same while rows come.
 */
export interface During {
  readonly lane: LaneRef;
  /** The box, root first as its tree has it. */
  readonly path: readonly FunctionRef[];
  readonly inverted: boolean;
  /** Thread rows of the box's own tree; null = all. */
  readonly threads: readonly number[] | null;
  /** Thread rows that were left out of it. */
  readonly without?: readonly number[];
  /** Transforms and stacks of the tree that the box was chosen in; absent: the selection's. So the box stays the same when those change. */
  readonly transforms?: readonly Transform[];
  readonly stacks?: 'merged' | 'own';
}

/**
 * What a range says of memory that is held (a lane whose rows are gains and losses): what grew in it, what was held at its end, or what was
 * held at the largest moment in it.
 */
export type Moment = 'grown' | 'held' | 'peak';

/** Which rows of a lane are looked at. A value: it never copies a table. */
export interface Selection {
  readonly ranges: TimeRanges;
  /** Thread rows; null = all. */
  readonly threads: readonly number[] | null;
  /** Thread rows that are left out of these, and of those that come later: threads that only wait. */
  readonly without?: readonly number[];
  /** Process rows; null = all. */
  readonly processes: readonly number[] | null;
  readonly transforms: readonly Transform[];
  /** `own`: stacks as the lane's profiler saw them; `merged`: with the Python stacks that belong to them. Absent: merged where some were found. */
  readonly stacks?: 'merged' | 'own';
  /** Only what ran while this was so. `resolve` (core/analyze/resolve.ts) turns it into ranges. */
  readonly during?: During;
  /** Of a lane of held memory alone; absent: held. `resolve` turns it into ranges. */
  readonly moment?: Moment;
}

export const EVERYTHING: Selection = { ranges: null, threads: null, processes: null, transforms: [] };

/** One of up to four graphs side by side. Range, processes, threads, search and transforms are the tab's and hold for all of them. */
export interface PaneValue {
  /** What the pane is for, also while no lane of the kind has come. */
  readonly kind: LaneKind;
  /** Which lane of the kind; null = the usual one. */
  readonly lane: LaneRef | null;
  readonly inverted: boolean;
  readonly zoom: readonly FunctionRef[];
  readonly selected: readonly FunctionRef[];
  readonly moment?: Moment;
  /** Thread rows of a pane that was split off; absent = the tab's. */
  readonly threads?: readonly number[] | null;
  /** Of waiting time alone: threads that only wait are shown too. Absent: they are left out (core/analyze/idle.ts) where no threads were chosen. */
  readonly idle?: 'shown';
}

/** What a tab shows, as one plain value: kept with the tab, restored after a reload, copied as `--view JSON`. */
export interface ViewValue {
  readonly lane: LaneRef | null;
  readonly view: 'flame' | 'table';
  /** true = root on top (icicle), the default. */
  readonly rootOnTop: boolean;
  /** true = leaves first. */
  readonly inverted: boolean;
  readonly order: 'alphabetical' | 'left-heavy';
  readonly selection: Selection;
  /** Regular expression, '' = none. Highlights, never filters. */
  readonly search: string;
  /** Path of the zoomed box, root first; empty = everything. */
  readonly zoom: readonly FunctionRef[];
  /** Path of the selected box, root first. */
  readonly selected: readonly FunctionRef[];
  /** One to four graphs; the fields above (lane, inverted, zoom, selected) are then those of the pane with the focus. Absent: one graph. */
  readonly panes?: readonly PaneValue[];
  /** Which pane has the focus. */
  readonly focus?: number;
  /** The pane with the focus has the whole width. */
  readonly wide?: boolean;
}

export const FIRST_VIEW: ViewValue = {
  lane: null, view: 'flame', rootOnTop: true, inverted: false, order: 'left-heavy', selection: EVERYTHING, search: '', zoom: [], selected: [],
};

/** How a picture is made. Sizes in units of 1920 x 1080 unless free. */
export interface PictureOptions {
  readonly width: number;
  readonly height: number;
  /** 1 to 4 device pixels a unit. */
  readonly scale: number;
  readonly theme: 'light' | 'dark' | 'clear';
  /** '' = the first line that the recording gives. */
  readonly title: string;
  readonly subtitle: string;
  readonly caption: boolean;
  readonly legend: boolean;
  /** Label size in units: 22 is M. */
  readonly text: number;
  /** At most this many rows. */
  readonly depth: number;
  readonly callouts: readonly { readonly path: readonly FunctionRef[]; readonly title: string; readonly note: string }[];
}

export const FIRST_PICTURE: PictureOptions = {
  width: 1920, height: 1080, scale: 2, theme: 'light', title: '', subtitle: '', caption: true, legend: true, text: 22, depth: 14, callouts: [],
};
