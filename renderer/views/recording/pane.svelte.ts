// One graph of a tab: its lane, its call tree, what is zoomed and selected in it.
import { CallTree } from '#core/analyze/call-tree';
import { functionRow } from '#core/analyze/functions';
import type { FunctionRow } from '#core/analyze/functions';
import { resolve } from '#core/analyze/resolve';
import { search } from '#core/analyze/search';
import type { FunctionRef, PaneValue, Selection } from '#core/analyze/view';
import { isNotWaiting } from '#core/analyze/words';
import type { Lane, LaneKind } from '#core/model/lane';
import type { LaneStatus } from '#core/protocol/api';
import { untrack } from 'svelte';
import type { Emptiness } from './waiting.ts';
import { emptiness } from './waiting.ts';
import { whileText } from './while.ts';
import { firstPane, kindTitle, laneOfPane, paneKind, selectionOf } from './panes.ts';
import type { Session } from './session.svelte.ts';
import type { StackChoice } from './stacks.ts';
import { stackChoice, withStacks } from './stacks.ts';

/** What a pane's picture can be told to do, while there is one. */
export interface Graph {
  back(): void;
  reset(): void;
  focus(): void;
  /** Selects a node and brings it into sight. */
  show(node: number): void;
  /** What a key would do on the selected box. */
  press(key: string): void;
}

let made = 0;

export class Pane {
  readonly session: Session;
  readonly id = ++made;
  /** Its place among the tab's panes. */
  index = $state(0);
  /** Grows whenever the tree has new numbers: what draws depends on it. */
  tick = $state(0);
  graph = $state.raw<Graph | null>(null);

  #taken: CallTree | null = null;
  #row: { readonly tree: CallTree; readonly revision: number; readonly fn: number; readonly row: FunctionRow | null } | null = null;

  readonly #first: PaneValue;

  /** `kind` for a lane that no pane shows: `index` is -1. */
  constructor(session: Session, index: number, kind: LaneKind = 'cpu') {
    this.session = session;
    this.index = index;
    this.#first = firstPane(kind);
  }

  readonly value: PaneValue = $derived.by(() => this.session.paneValues[this.index] ?? this.#first);
  readonly kind = $derived.by(() => this.value.kind);
  readonly inverted = $derived.by(() => this.value.inverted);
  readonly zoom = $derived.by(() => this.value.zoom);
  readonly threads = $derived.by(() => this.value.threads);
  readonly moment = $derived.by(() => this.value.moment);
  readonly focused = $derived.by(() => this.session.focus === this.index);

  readonly lane: Lane | null = $derived.by(() => {
    void this.session.live.revision;
    return laneOfPane(this.session.live.profile, this.kind, this.value.lane);
  });

  /** What main says of the lane: why it is empty, whether it can be switched. null for a file. */
  readonly status: LaneStatus | null = $derived.by(() => {
    const { lanes } = this.session.live.status;
    return lanes.find((one) => one.kind === this.kind) ?? lanes.find((one) => paneKind(one.kind) === this.kind) ?? null;
  });

  /** Threads that only wait are left out: of waiting time, and never of threads that the user chose himself. */
  readonly hidesIdle = $derived.by(() => this.kind === 'off-cpu' && this.value.idle === undefined && (this.lane === null || !isNotWaiting(this.lane)) && (this.threads ?? this.session.selection.threads) === null);
  /** Rows of the threads that are left out. */
  readonly idle: readonly number[] = $derived.by(() => (this.hidesIdle ? this.session.idle : []));

  readonly #own: Selection = $derived.by(() => {
    const own = selectionOf(this.session.selection, this.threads, this.moment);
    return this.idle.length === 0 ? own : { ...own, without: this.idle };
  });
  /** Which rows are looked at, in plain ranges of time. */
  readonly selection: Selection = $derived.by(() => {
    const { lane } = this;
    const own = this.#own;
    // What a box or a moment means grows with the rows; `resolve` gives the same object while it does not.
    void this.session.live.revision;
    return lane === null ? own : untrack(() => resolve(this.session.live.profile, lane, own));
  });

  readonly tree: CallTree | null = $derived.by(() => {
    const { lane, selection, inverted } = this;
    const { profile } = this.session.live;
    return lane === null ? null : untrack(() => new CallTree(profile, lane, selection, inverted));
  });

  readonly found = $derived.by(() => {
    void this.tick;
    const { tree } = this;
    const pattern = this.session.view.search;
    return tree === null || pattern === '' ? null : search(tree, pattern);
  });

  /** Node of the zoomed path; -1 = everything. */
  readonly root: number = $derived.by(() => this.#nodeOf(this.zoom));
  /** Node of the selected box; -1 = none. */
  readonly selected: number = $derived.by(() => this.#nodeOf(this.value.selected));

  /** Which stacks of a Python program are shown; null where there is nothing to choose. */
  readonly stacks: StackChoice | null = $derived.by(() => {
    void this.session.live.revision;
    return this.lane === null ? null : stackChoice(this.session.live.profile, this.lane, this.session.selection);
  });

  /** True where there is something to draw. */
  readonly drawable = $derived.by(() => {
    void this.tick;
    return this.tree !== null && this.tree.total > 0;
  });

  /** Why there is nothing to draw; null where there is something. */
  readonly empty: Emptiness | null = $derived.by(() => {
    if (this.drawable) return null;
    const { lane, session } = this;
    const { live } = session;
    void session.slowTick;
    return emptiness({
      status: live.status, kind: this.kind, lane: this.status, laneSamples: lane?.rows ?? 0, ranges: session.selection.ranges,
      during: session.selection.during === undefined ? '' : whileText(live.profile, session.selection)?.text ?? '',
      laneTitle: kindTitle(live.profile, this.kind, lane), source: lane?.source ?? '', several: session.panes.length > 1,
    });
  });

  /** Takes what came since; true where the picture changed. */
  update(): boolean {
    const { tree } = this;
    const before = this.#taken;
    const fresh = tree !== before;
    this.#taken = tree;
    const changed = (tree?.update() ?? false) || fresh;
    if (changed) this.tick++;
    // Its memory goes to the next range. Whoever drew it draws the new one from now on.
    if (fresh && before !== null) before.release();
    return changed;
  }

  change(part: Partial<PaneValue>): void {
    this.session.changePane(this.index, part);
  }

  /** Selects a box, which chooses its function everywhere; -1 selects nothing. */
  select(node: number): void {
    const { tree, session } = this;
    if (tree === null || node < 0) session.choose(-1);
    else session.selectIn(this.index, tree.pathOf(node), tree.fn(node));
  }

  setStacks(choice: StackChoice): void {
    const { lane, session } = this;
    if (lane === null) return;
    const { lane: ref, selection } = withStacks(session.profile, lane, session.ownSelection, choice);
    session.change({ selection });
    this.change({ lane: ref });
  }

  /** The heaviest box of a function, -1 where it has none with weight. */
  widestOf(fn: number): number {
    const { tree } = this;
    if (tree === null) return -1;
    const fns = tree.functions();
    const totals = tree.totals();
    let best = -1;
    for (let node = 0; node < fns.length; node++) {
      if (fns[node] === fn && totals[node] > 0 && (best < 0 || totals[node] > totals[best])) best = node;
    }
    return best;
  }

  /** What a function takes here, remembered until the tree has other numbers. */
  rowOf(fn: number): FunctionRow | null {
    const { tree } = this;
    if (tree === null || fn < 0) return null;
    const known = this.#row;
    if (known !== null && known.tree === tree && known.revision === tree.revision && known.fn === fn) return known.row;
    const row = functionRow(tree, fn);
    this.#row = { tree, revision: tree.revision, fn, row };
    return row;
  }

  #nodeOf(path: readonly FunctionRef[]): number {
    void this.tick;
    const { tree } = this;
    return tree === null || path.length === 0 ? -1 : tree.nodeOf(path);
  }
}
