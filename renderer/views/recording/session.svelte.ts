// What all panes of one profile tab share: the selection, the search, what is chosen and hovered, the clock. Its panes hold the rest.
import type { FunctionRef, PaneValue, Selection, Transform, ViewValue } from '#core/analyze/view';
import type { CallTree } from '#core/analyze/call-tree';
import { IdleThreads } from '#core/analyze/idle';
import type { FunctionId } from '#core/model/ids';
import type { Lane, LaneKind } from '#core/model/lane';
import type { ProfileStatus } from '#core/protocol/api';
import { untrack } from 'svelte';
import type { LiveProfile } from '../../state/live-profile.svelte.ts';
import { Pane } from './pane.svelte.ts';
import type { CardLane } from '../flame/card.ts';
import { cardTitle } from '../flame/card.ts';
import { measureWord } from './measures.ts';
import { MOST_PANES, PANE_KINDS, firstPane, focusOf, kindTitle, kindsToShow, panesOf, panesShown, withPane, withPanes } from './panes.ts';
import type { StackChoice } from './stacks.ts';

/** What the panes need of a tab: the one value that it shows, and how many of the last seconds follow (0 = none). */
export interface ViewHolder {
  view: ViewValue;
  follow?: number;
}

/** A box under the pointer, for the one card. CSS px of the window. */
export interface Hovered {
  readonly pane: Pane;
  /** -1 where folded boxes are meant. */
  readonly node: number;
  readonly folded: { readonly count: number; readonly value: number } | null;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: number;
}

/** ms between two slow ticks. */
const SLOW = 500;

export class Session {
  readonly tab: ViewHolder;
  readonly live: LiveProfile;
  /** Grows whenever rows came or the selection changed. A pane's own tick says whether its picture changed. */
  tick = $state(0);
  /** As `tick`, but at most every 500 ms: for what is long to work out or cannot be read faster. */
  slowTick = $state(0);
  /** End of what is drawn, ns; stands still while paused. */
  end = $state(0);
  /** Function that is chosen, by row; -1 = none. Chosen in the table it has no box of its own. */
  chosen = $state(-1);
  /** Function under the pointer; -1 = none. It lights up in every pane. */
  hovered = $state(-1);
  /** What the card is about; null = no card. */
  card = $state.raw<Hovered | null>(null);
  /** Which of the matching functions "2 / 6" stands at; -1 before the first step. */
  matchAt = $state(-1);
  /** How many panes have room. */
  most = $state(MOST_PANES);
  /** Said aloud by the one live region. */
  spoken = $state('');
  /** Threads that only waited in what is shown, as rows: looked for at most every 500 ms. */
  idle = $state.raw<readonly number[]>([]);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #slowTree: CallTree | null = null;
  readonly #idleThreads = new IdleThreads();
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #idleAt = -Infinity;
  #pool: Pane[] = [];
  /** Lanes that no pane shows, for the card. */
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- a register; nothing on screen reads it
  readonly #unseen = new Map<LaneKind, Pane>();

  constructor(tab: ViewHolder, live: LiveProfile) {
    this.tab = tab;
    this.live = live;
  }

  readonly profile = $derived.by(() => this.live.profile);
  readonly recording = $derived.by(() => isRecording(this.live.status));

  /** Seconds at the end that are shown while rows come; 0 = none. */
  readonly follow = $derived.by(() => (this.recording ? this.tab.follow ?? 0 : 0));
  /** The selection as the tab keeps it. */
  readonly ownSelection: Selection = $derived.by(() => this.tab.view.selection);
  /** The selection as it holds now: the last seconds move with the clock. */
  readonly selection: Selection = $derived.by(() => {
    const own = this.ownSelection;
    const { follow } = this;
    if (follow <= 0) return own;
    const end = this.end;
    return { ...own, ranges: [[Math.max(0, end - follow * 1e9), Math.max(end, 1)]] };
  });

  readonly paneValues: readonly PaneValue[] = $derived.by(() => {
    void this.live.revision;
    return panesOf(this.tab.view, this.live.profile, this.live.status.lanes);
  });
  /** Panes keep what they are while others come and go. */
  readonly panes: readonly Pane[] = $derived.by(() => {
    const { length } = this.paneValues;
    return untrack(() => {
      while (this.#pool.length < length) this.#pool.push(new Pane(this, this.#pool.length));
      return this.#pool.slice(0, length);
    });
  });
  readonly focus: number = $derived.by(() => {
    void this.live.revision;
    return focusOf(this.tab.view, this.paneValues, this.live.profile);
  });
  readonly pane: Pane = $derived.by(() => this.panes[this.focus]);
  /** One pane has the whole width. */
  readonly wide = $derived.by(() => this.panes.length === 1 || (this.tab.view.wide ?? false));
  /** Panes on screen. The others cost nothing. */
  readonly shown: readonly Pane[] = $derived.by(() => panesShown(this.panes.length, this.focus, this.wide, this.most).map((i) => this.panes[i]));

  /** What the tab shows; its own fields are those of the pane with the focus. */
  readonly view: ViewValue = $derived.by(() => (this.selection === this.ownSelection ? this.tab.view : { ...this.tab.view, selection: this.selection }));
  /** As `view`, for exports: one graph, with the lane, the order and the rows that the pane with the focus shows. */
  get exported(): ViewValue {
    const { panes: _, focus: __, wide: ___, ...view } = this.view;
    const { pane } = this;
    return {
      ...view, order: this.order, inverted: pane.inverted, zoom: pane.zoom, selected: pane.value.selected,
      lane: pane.lane === null ? null : { kind: pane.lane.kind, name: pane.lane.name },
      selection: { ...this.selection, threads: pane.selection.threads, ...(pane.idle.length === 0 ? {} : { without: pane.idle }), ...(pane.moment === undefined ? {} : { moment: pane.moment }) },
    };
  }

  /** As `view`, for a picture of all panes side by side. */
  get exportedQuad(): ViewValue {
    const panes = this.panes.map((pane): PaneValue => ({
      ...pane.value, lane: pane.lane === null ? pane.value.lane : { kind: pane.lane.kind, name: pane.lane.name },
      ...(pane.idle.length === 0 ? {} : { threads: this.#allBut(pane.idle) }),
    }));
    return { ...this.exported, selection: this.selection, panes, focus: this.focus, wide: false };
  }

  // What tables and the side panel show: the pane with the focus.
  get lane(): Lane | null { return this.pane.lane; }
  get stacks(): StackChoice | null { return this.pane.stacks; }
  get inverted(): boolean { return this.pane.inverted; }
  get tree(): CallTree | null { return this.pane.tree; }
  get found() { return this.pane.found; }
  get root(): number { return this.pane.root; }
  get selected(): number { return this.pane.selected; }

  /** Boxes keep their place while new data comes; sorted by width when they have come to rest. */
  readonly order = $derived.by(() => (this.recording ? 'alphabetical' as const : this.tab.view.order));

  /** Follows new data until the component goes. Call while a component is being made. */
  begin(): void {
    // First the clock: the last seconds are a selection that moves with it.
    $effect.pre(() => {
      void this.live.revision;
      untrack(() => { this.end = this.profile.info.durationNs; });
    });
    $effect.pre(() => {
      void this.live.revision;
      void this.selection;
      untrack(() => this.#lookForIdle());
    });
    $effect(() => {
      // The revision stands still while the picture is paused; a new tree has taken its rows already.
      void this.live.revision;
      const trees = this.shown.map((pane) => pane.tree);
      const shown = this.shown;
      untrack(() => {
        for (const pane of shown) pane.update();
        this.tick++;
        this.#slowly(trees[Math.max(0, shown.indexOf(this.pane))]);
      });
    });
    $effect(() => () => {
      clearTimeout(this.#timer);
      clearTimeout(this.#idleTimer);
    });
    // What a restored view has selected is chosen.
    $effect(() => {
      const { pane } = this;
      const node = pane.selected;
      const { tree } = pane;
      if (node >= 0 && tree !== null) this.chosen = tree.fn(node);
    });
    // When nothing more comes, the last seconds become a range like any other.
    $effect(() => {
      const seconds = this.tab.follow ?? 0;
      if (this.recording || seconds <= 0 || this.live.status.phase === 'opening') return;
      untrack(() => {
        const end = this.profile.info.durationNs;
        this.setRange(end > 0 ? { start: Math.max(0, end - seconds * 1e9), end } : null);
      });
    });
  }

  /** Changes the view; lane, direction, zoom and selected box are those of the pane with the focus. */
  change(part: Partial<ViewValue>): void {
    const { lane, inverted, zoom, selected, ...rest } = part;
    const view: ViewValue = { ...this.tab.view, ...rest };
    const own: Partial<PaneValue> = {
      ...(lane === undefined ? {} : { lane }), ...(inverted === undefined ? {} : { inverted }), ...(zoom === undefined ? {} : { zoom }), ...(selected === undefined ? {} : { selected }),
    };
    this.tab.view = Object.keys(own).length === 0 ? view : withPane(view, this.paneValues, this.focus, this.focus, own);
  }

  changePane(index: number, part: Partial<PaneValue>): void {
    this.tab.view = withPane(this.tab.view, this.paneValues, this.focus, index, part);
  }

  /** Puts another value into a pane: what is not in it is gone. */
  replacePane(index: number, value: PaneValue): void {
    this.tab.view = withPanes(this.tab.view, this.paneValues.map((one, i) => (i === index ? value : one)), this.focus);
  }

  setFocus(index: number): void {
    if (index !== this.focus && index >= 0 && index < this.panes.length) this.tab.view = withPanes(this.tab.view, this.paneValues, index);
  }

  /** Gives the pane with the focus the whole width, or back. */
  setWide(wide: boolean): void {
    if (this.panes.length > 1) this.tab.view = { ...withPanes(this.tab.view, this.paneValues, this.focus), wide };
  }

  /** All lanes side by side: the panes that there are, else one for each kind. */
  setQuad(): void {
    if (this.panes.length > 1) {
      this.setWide(false);
      return;
    }
    const kinds = kindsToShow(this.profile, this.live.status.lanes);
    const own = this.pane.value;
    const at = Math.max(0, kinds.indexOf(own.kind));
    this.tab.view = { ...withPanes(this.tab.view, kinds.map((kind, i) => (i === at ? { ...own, kind } : firstPane(kind))), at), wide: false };
  }

  /** Another pane behind the others; it has the focus. False where four are there. */
  addPane(value: PaneValue): boolean {
    const values = this.paneValues;
    if (values.length >= MOST_PANES) return false;
    this.tab.view = { ...withPanes(this.tab.view, [...values, value], values.length), wide: false };
    return true;
  }

  closePane(index: number): void {
    const values = this.paneValues;
    if (values.length < 2) return;
    const focus = this.focus > index || this.focus === values.length - 1 ? this.focus - 1 : this.focus;
    // The components of the other panes go on: each takes its place.
    const [gone] = this.#pool.splice(index, 1);
    this.#pool.forEach((pane, i) => { pane.index = i; });
    if (this.card?.pane === gone) this.card = null;
    this.tab.view = withPanes(this.tab.view, values.filter((_, i) => i !== index), Math.max(0, focus));
  }

  /** Puts another lane into a pane. */
  putLane(index: number, kind: LaneKind, lane: PaneValue['lane']): void {
    const { moment: _, ...value } = { ...this.paneValues[index], kind, lane, zoom: [], selected: [] };
    const values = this.paneValues.map((one, i) => (i === index ? value : one));
    this.tab.view = withPanes(this.tab.view, values, index);
  }

  /** Selects the box at a path of one pane: the one selection of all of them. */
  selectIn(index: number, path: readonly FunctionRef[], fn: number): void {
    const values = this.paneValues.map((value, i) => (i === index ? { ...value, selected: path } : value.selected.length > 0 ? { ...value, selected: [] } : value));
    this.chosen = fn;
    this.tab.view = this.tab.view.panes === undefined && values.length === 1 ? { ...this.tab.view, selected: path } : withPanes(this.tab.view, values, index);
  }

  select(node: number): void {
    this.pane.select(node);
  }

  /** Chooses a function everywhere; a box that is selected stays only when it shows the same function. -1 chooses nothing. */
  choose(fn: number): void {
    this.chosen = fn;
    const keeps = this.panes.map((pane) => fn >= 0 && pane.value.selected.length > 0 && pane.selected >= 0 && pane.tree?.fn(pane.selected) === fn);
    if (this.panes.every((pane, i) => keeps[i] || pane.value.selected.length === 0)) return;
    if (this.tab.view.panes === undefined && this.panes.length === 1) this.tab.view = { ...this.tab.view, selected: [] };
    else this.tab.view = withPanes(this.tab.view, this.paneValues.map((value, i) => (keeps[i] || value.selected.length === 0 ? value : { ...value, selected: [] })), this.focus);
  }

  setRange(range: { readonly start: number; readonly end: number } | null): void {
    this.tab.follow = 0;
    this.change({ selection: { ...this.ownSelection, ranges: range === null ? null : [[Math.round(range.start), Math.round(range.end)]] } });
  }

  /** Shows the last seconds, moving with the clock; 0 ends it and keeps the range. */
  setFollow(seconds: number): void {
    if (seconds <= 0) {
      const { ranges } = this.selection;
      this.tab.follow = 0;
      this.change({ selection: { ...this.ownSelection, ranges } });
    } else this.tab.follow = seconds;
  }

  setStacks(choice: StackChoice): void {
    this.pane.setStacks(choice);
  }

  setThreads(threads: readonly number[] | null): void {
    this.change({ selection: { ...this.ownSelection, threads } });
  }

  transform(step: Transform): void {
    this.#withTransforms([...this.ownSelection.transforms, step]);
  }

  /** Takes one step out of the transforms again. */
  untransform(index: number): void {
    this.#withTransforms(this.ownSelection.transforms.filter((_, i) => i !== index));
  }

  /** Ends "while that was so". */
  endDuring(): void {
    const { during: _, ...selection } = this.ownSelection;
    this.change({ selection });
  }

  /**
   * What the card says of a function under the pointer in `pane`: a lane each, its numbers those of the pane that shows it. A lane
   * without a pane has a tree for the card alone.
   */
  cardLanes(pane: Pane, fn: number): CardLane[] {
    const kinds = [...kindsToShow(this.profile, this.live.status.lanes), ...this.panes.map((one) => one.kind)];
    const alone = kinds.every((kind) => kind === pane.kind);
    // A trace of GPU work has no CPU lane that could be missed.
    const usual = this.recording || this.profile.lane('cpu') !== null || this.profile.lane('off-cpu') !== null ? PANE_KINDS : PANE_KINDS.filter((kind) => kinds.includes(kind));
    const rows: readonly LaneKind[] = alone ? [pane.kind] : [...usual, ...kinds.filter((kind, i) => !usual.includes(kind) && kinds.indexOf(kind) === i)];
    return rows.map((kind) => {
      const own = kind === pane.kind ? pane : this.panes.find((one) => one.kind === kind && this.shown.includes(one)) ?? this.panes.find((one) => one.kind === kind) ?? this.#unseenPane(kind);
      // What is on screen took its rows with this tick already.
      if (!this.shown.includes(own)) own.tree?.update();
      return { kind, title: kind === 'gpu-memory' ? cardTitle(kind) : measureWord(this.profile, own.lane, own.moment) ?? (kind === 'other' ? kindTitle(this.profile, kind, own.lane) : cardTitle(kind)), tree: own.tree, row: own.rowOf(fn) };
    });
  }

  #allBut(rows: readonly number[]): number[] {
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- gone with the call
    const left = new Set(rows);
    return Array.from({ length: this.profile.threads.length }, (_, row) => row).filter((row) => !left.has(row));
  }

  #lookForIdle(): void {
    if (this.#idleTimer !== undefined) return;
    const early = this.#idleAt + SLOW - performance.now();
    if (early > 0) {
      this.#idleTimer = setTimeout(() => {
        this.#idleTimer = undefined;
        this.#lookForIdle();
      }, early);
      return;
    }
    this.#idleAt = performance.now();
    const { ranges } = this.selection;
    this.idle = this.#idleThreads.of(this.profile, ranges, this.recording && (ranges === null || this.follow > 0));
  }

  #unseenPane(kind: LaneKind): Pane {
    let pane = this.#unseen.get(kind);
    if (pane === undefined) this.#unseen.set(kind, (pane = new Pane(this, -1, kind)));
    return pane;
  }

  /** A function as it is named in a view. */
  refOf(fn: number): FunctionRef {
    const { functions } = this.profile;
    const id = fn as FunctionId;
    return { name: functions.nameOf(id), file: functions.fileOf(id), library: functions.libraryOf(id) };
  }

  /** The heaviest box of a function in the pane with the focus, -1 where it has none with weight. */
  widestOf(fn: number): number {
    return this.pane.widestOf(fn);
  }

  // A path through what a step takes out leads nowhere: every pane shows everything again.
  #withTransforms(transforms: readonly Transform[]): void {
    const view = { ...this.tab.view, selection: { ...this.ownSelection, transforms }, zoom: [] };
    this.tab.view = view.panes === undefined ? view : { ...view, panes: view.panes.map((pane) => (pane.zoom.length > 0 ? { ...pane, zoom: [] } : pane)) };
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
