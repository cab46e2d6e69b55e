// What a profile tab can show: a new view is one file and one line here.
import type { LaneKind } from '#core/model/lane';
import type { ViewValue } from '#core/analyze/view';
import type { Component } from 'svelte';
import type { LiveProfile } from '../state/live-profile.svelte.ts';
import type { Tab } from '../state/workbench.svelte.ts';
import RecordingView from './recording/RecordingView.svelte';

export interface View {
  readonly id: ViewValue['view'];
  readonly title: string;
  /** Lanes that it can show; empty = all. */
  readonly lanes: readonly LaneKind[];
  readonly component: Component<{ tab: Tab; live: LiveProfile }>;
}

export const VIEWS: readonly View[] = [
  { id: 'flame', title: 'Flame graph', lanes: [], component: RecordingView },
  { id: 'table', title: 'Functions', lanes: [], component: RecordingView },
];

/** The view that a tab's value names; the first where it names none of ours. */
export function viewOf(value: ViewValue): View {
  return VIEWS.find((view) => view.id === value.view) ?? VIEWS[0];
}
