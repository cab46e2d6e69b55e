// What all panes of one profile tab share: the call tree of the chosen lane and selection, the search, what is chosen.
import type { FunctionRef, Selection, Transform, ViewValue } from '#core/analyze/view';
import { CallTree } from '#core/analyze/call-tree';
import { search } from '#core/analyze/search';
import { laneOf } from '#core/analyze/words';
import type { FunctionId } from '#core/model/ids';
import type { Lane } from '#core/model/lane';
import type { ProfileStatus } from '#core/protocol/api';
import { untrack } from 'svelte';
import type { LiveProfile } from '../../state/live-profile.svelte.ts';
import type { StackChoice } from './stacks.ts';
import { stackChoice, withStacks } from './stacks.ts';

/** What the panes need of a tab: the one value that it shows. */
export interface ViewHolder {
  view: ViewValue;
}

/** ms between two slow ticks. */
const SLOW = 500;

export class Session {
  readonly tab: ViewHolder;
  readonly live: LiveProfile;
  /** Grows whenever the tree has new numbers: what draws depends on it. */
  tick = $state(0);
  /** As `tick`, but at most every 500 ms: for what is long to work out or cannot be read faster. */
  slowTick = $state(0);
  /** End of what is drawn, ns; stands still while paused. */
  end = $state(0);
  /** Function that is chosen, by row; -1 = none. Chosen in the table it has no box of its own. */
  chosen = $state(-1);
  /** Which of the matching functions "2 / 6" stands at; -1 before the first step. */
  matchAt = $state(-1);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #slowTree: CallTree | null = null;

  constructor(tab: ViewHolder, live: LiveProfile) {
    this.tab = tab;
    this.live = live;
  }

  readonly profile = $derived.by(() => this.live.profile);
  readonly view = $derived.by(() => this.tab.view);
  readonly recording = $derived.by(() => isRecording(this.live.status));

  /** The chosen lane; else the usual one, with the program's own functions where it is Python. null before there is any. */
  readonly lane: Lane | null = $derived.by(() => {
    void this.live.revision;
    return laneOf(this.live.profile, this.view);
  });

  /** Which stacks of a Python program are shown; null where there is nothing to choose. */
  readonly stacks: StackChoice | null = $derived.by(() => {
    void this.live.revision;
    return this.lane === null ? null : stackChoice(this.live.profile, this.lane, this.selection);
  });

  /** Boxes keep their place while new data comes; sorted by width when they have come to rest. */
  readonly order = $derived.by(() => (this.recording ? 'alphabetical' as const : this.view.order));

  readonly selection: Selection = $derived.by(() => this.view.selection);
  readonly inverted: boolean = $derived.by(() => this.view.inverted);

  readonly tree: CallTree | null = $derived.by(() => {
    const { lane, selection, inverted } = this;
    const profile = this.live.profile;
    if (lane === null) return null;
    return untrack(() => {
      return new CallTree(profile, lane, selection, inverted);
    });
  });

  readonly found = $derived.by(() => {
    void this.tick;
    const { tree } = this;
    const pattern = this.view.search;
    return tree === null || pattern === '' ? null : search(tree, pattern);
  });

  /** Node of the zoomed path; -1 = everything. */
  readonly root: number = $derived.by(() => this.#nodeOf(this.view.zoom));
  /** Node of the selected box; -1 = none. */
  readonly selected: number = $derived.by(() => this.#nodeOf(this.view.selected));

  /** Follows new data until the component goes. Call while a component is being made. */
  follow(): void {
    $effect(() => {
      // The revision stands still while the picture is paused; a new tree has taken its rows already.
      void this.live.revision;
      const tree = this.tree;
      untrack(() => {
        tree?.update();
        this.end = this.profile.info.durationNs;
        this.tick++;
        this.#slowly(tree);
      });
    });
    $effect(() => () => clearTimeout(this.#timer));
    $effect(() => {
      const node = this.selected;
      const tree = this.tree;
      if (node >= 0 && tree !== null) this.chosen = tree.fn(node);
    });
  }

  change(part: Partial<ViewValue>): void {
    this.tab.view = { ...this.tab.view, ...part };
  }

  select(node: number): void {
    const { tree } = this;
    if (tree === null || node < 0) {
      this.chosen = -1;
      this.change({ selected: [] });
      return;
    }
    this.chosen = tree.fn(node);
    this.change({ selected: tree.pathOf(node) });
  }

  /** Chooses a function everywhere; the box that is selected goes with it only when it shows the same function. */
  choose(fn: number): void {
    this.chosen = fn;
    const node = this.selected;
    if (node >= 0 && this.tree?.fn(node) !== fn) this.change({ selected: [] });
  }

  setRange(range: { readonly start: number; readonly end: number } | null): void {
    this.change({ selection: { ...this.selection, ranges: range === null ? null : [[Math.round(range.start), Math.round(range.end)]] } });
  }

  setStacks(choice: StackChoice): void {
    const { lane } = this;
    if (lane !== null) this.change(withStacks(this.profile, lane, this.selection, choice));
  }

  setThreads(threads: readonly number[] | null): void {
    this.change({ selection: { ...this.selection, threads } });
  }

  transform(step: Transform): void {
    this.change({ selection: { ...this.selection, transforms: [...this.selection.transforms, step] }, zoom: [] });
  }

  /** Takes one step out of the transforms again. */
  untransform(index: number): void {
    this.change({ selection: { ...this.selection, transforms: this.selection.transforms.filter((_, i) => i !== index) } });
  }

  /** A function as it is named in a view. */
  refOf(fn: number): FunctionRef {
    const { functions } = this.profile;
    const id = fn as FunctionId;
    return { name: functions.nameOf(id), file: functions.fileOf(id), library: functions.libraryOf(id) };
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

  #slowly(tree: CallTree | null): void {
    if (this.#timer !== undefined && tree === this.#slowTree) return;
    clearTimeout(this.#timer);
    this.#slowTree = tree;
    this.slowTick++;
    const drawn = this.tick;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.tick !== drawn) this.#slowly(this.tree);
    }, SLOW);
  }

  #nodeOf(path: readonly FunctionRef[]): number {
    void this.tick;
    const { tree } = this;
    return tree === null || path.length === 0 ? -1 : tree.nodeOf(path);
  }
}

/** Whether rows may still come. */
export function isRecording(status: ProfileStatus): boolean {
  switch (status.phase) {
    case 'starting':
    case 'recording':
    case 'stopping':
      return true;
    case 'opening':
    case 'done':
    case 'failed':
      return false;
  }
}
