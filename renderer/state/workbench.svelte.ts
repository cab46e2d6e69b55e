import type { ViewValue } from '#core/analyze/view';
import { FIRST_VIEW } from '#core/analyze/view';
import type { OpenSource, ProfileRef, ProfileRow } from '#core/protocol/api';
import { link } from '../bridge/link.ts';
import { forgetProfile } from './live-profile.svelte.ts';

const KEY = 'flamebench.tabs';
/** Title of a tab whose profile has not said its name yet. */
export const OPENING = 'Opening';

/** One tab. `view` is one value: replace it whole (`tab.view = { ...tab.view, search }`), so that it is kept and restored. */
export class Tab {
  readonly id: string;
  readonly kind: 'home' | 'profile';
  profile = $state<ProfileRef>('');
  title = $state('');
  live = $state(false);
  /** Row of the library that the profile belongs to; '' for an imported file. */
  library = $state('');
  view = $state.raw<ViewValue>(FIRST_VIEW);
  /** How many of the last seconds are shown while rows come, moving with the clock; 0 = the view's own range. */
  follow = $state(0);

  constructor(id: string, kind: 'home' | 'profile') {
    this.id = id;
    this.kind = kind;
  }
}

interface StoredTab {
  readonly id: string;
  readonly profile: ProfileRef;
  readonly title: string;
  readonly library: string;
  readonly view: ViewValue;
  readonly follow?: number;
}

interface Stored {
  readonly active: string;
  readonly tabs: readonly StoredTab[];
}

/** The tabs of this window. They live in sessionStorage: a reload shows the same, a second window starts at Home. */
class Workbench {
  readonly home = new Tab('home', 'home');
  tabs = $state.raw<readonly Tab[]>([this.home]);
  activeId = $state('home');
  /** Profiles that main has open, live ones among them. */
  profiles = $state.raw<readonly ProfileRow[]>([]);

  /** What a tab was before: restored tabs keep it until main has answered. */
  #restored = false;

  constructor() {
    this.home.title = 'Home';
    this.#restore();
    $effect.root(() => {
      $effect(() => {
        const stored: Stored = {
          active: this.activeId,
          tabs: this.tabs.filter((tab) => tab.kind === 'profile').map(({ id, profile, title, library, view, follow }) => ({ id, profile, title, library, view, follow })),
        };
        sessionStorage.setItem(KEY, JSON.stringify(stored));
      });
    });
    link.on('profilesChanged', () => void this.refresh());
    link.on('statusChanged', () => void this.refresh());
    link.watch((state) => { if (state.kind === 'connected') void this.#attach(); });
  }

  get active(): Tab {
    return this.tabs.find((tab) => tab.id === this.activeId) ?? this.home;
  }

  activate(tab: Tab): void {
    this.activeId = tab.id;
  }

  /** Moves to the tab `by` places to the right, around the end. */
  step(by: number): void {
    const at = this.tabs.indexOf(this.active);
    this.activeId = this.tabs[(at + by + this.tabs.length) % this.tabs.length].id;
  }

  /** Shows a profile, in its own tab if it has one already. */
  show(profile: ProfileRef, title = ''): Tab {
    const tab = this.#tabOf(profile) ?? this.#add(profile, title);
    this.activeId = tab.id;
    void this.refresh();
    return tab;
  }

  /** Opens a recording, a file or the example and shows it. Rejects with main's UserError. */
  async open(source: OpenSource, title = ''): Promise<Tab> {
    const { body } = await link.request('open', { source });
    return this.show(body.profile, title);
  }

  /** Closes a tab. A recording that runs goes on; a profile at rest is let go. */
  close(tab: Tab): void {
    if (tab.kind === 'home') return;
    const at = this.tabs.indexOf(tab);
    if (at < 0) return;
    const rest = this.tabs.filter((other) => other !== tab);
    if (this.activeId === tab.id) this.activeId = rest[Math.min(at, rest.length - 1)].id;
    this.tabs = rest;
    forgetProfile(tab.profile);
    if (!tab.live) link.request('close', { profile: tab.profile }).catch(() => {
      // Gone already, or main restarted: then there is nothing to let go.
    });
  }

  /** Asks main again which profiles there are. */
  async refresh(): Promise<void> {
    try {
      const { body } = await link.request('profiles', {});
      this.profiles = body.profiles;
    } catch {
      // The connection is shown by its own banner; the list is asked again when it is back.
      return;
    }
    for (const row of this.profiles) {
      const tab = this.#tabOf(row.id);
      if (tab === undefined) continue;
      tab.live = row.live;
      tab.library = row.library;
      if (row.title !== '') tab.title = row.title;
    }
    for (const tab of this.tabs) if (!this.profiles.some((row) => row.id === tab.profile)) tab.live = false;
  }

  /** After each connection: tabs whose profile main no longer has are opened again from the library. */
  async #attach(): Promise<void> {
    await this.refresh();
    if (!this.#restored && this.tabs.length === 1) {
      // A fresh window: what runs and what was named on the command line gets its tab at once.
      for (const row of this.profiles) this.#add(row.id, row.title);
      const named = this.profiles.find((row) => !row.live) ?? this.profiles.find((row) => row.live);
      const tab = named === undefined ? undefined : this.#tabOf(named.id);
      if (tab !== undefined) this.activeId = tab.id;
      this.#restored = true;
      await this.refresh();
      return;
    }
    this.#restored = true;
    for (const tab of this.tabs) {
      if (tab.kind !== 'profile' || tab.library === '' || this.profiles.some((row) => row.id === tab.profile)) continue;
      try {
        const { body } = await link.request('open', { source: { kind: 'library', id: tab.library } });
        forgetProfile(tab.profile);
        tab.profile = body.profile;
      } catch {
        // Deleted meanwhile: the tab says so itself, from the error of its own pull.
      }
    }
    await this.refresh();
  }

  #tabOf(profile: ProfileRef): Tab | undefined {
    return this.tabs.find((tab) => tab.kind === 'profile' && tab.profile === profile);
  }

  #add(profile: ProfileRef, title: string): Tab {
    const tab = new Tab(`p${Date.now().toString(36)}${this.tabs.length}`, 'profile');
    tab.profile = profile;
    tab.title = title === '' ? OPENING : title;
    this.tabs = [...this.tabs, tab];
    return tab;
  }

  #restore(): void {
    const stored = readStored();
    if (stored === null) return;
    this.#restored = true;
    this.tabs = [this.home, ...stored.tabs.map((from) => {
      const tab = new Tab(from.id, 'profile');
      tab.profile = from.profile;
      tab.title = from.title;
      tab.library = from.library;
      tab.view = { ...FIRST_VIEW, ...from.view };
      tab.follow = from.follow ?? 0;
      return tab;
    })];
    if (this.tabs.some((tab) => tab.id === stored.active)) this.activeId = stored.active;
  }
}

function readStored(): Stored | null {
  try {
    const value = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Stored | null;
    return value !== null && Array.isArray(value.tabs) && typeof value.active === 'string' ? value : null;
  } catch {
    // Damaged: the window starts at Home.
    return null;
  }
}

export const workbench = new Workbench();
