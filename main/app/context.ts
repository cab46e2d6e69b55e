import type { EventName, Events, ProfileRef, RequestName, Requests, TerminalRef } from '#core/protocol/api';
import type { Handled } from '#core/protocol/rpc';
import type { Library } from '../library/library.ts';
import type { Profiles } from './profiles.ts';
import type { Shells } from './shells.ts';
import type { Uploads } from './uploads.ts';

/** One connected page. */
export interface Page {
  emit<N extends EventName>(name: N, body: Events[N], payload?: Uint8Array): void;
  /** Profiles that it asked about: one that no page holds any more is closed when a page closes it. */
  readonly holds: Set<ProfileRef>;
  /** Terminals whose output it wants. */
  readonly watches: Set<TerminalRef>;
}

/** What the handlers share. */
export interface Context {
  readonly home: string;
  readonly desktop: boolean;
  readonly library: Library;
  readonly profiles: Profiles;
  readonly shells: Shells;
  readonly uploads: Uploads;
  readonly pages: ReadonlySet<Page>;
  emit<N extends EventName>(name: N, body: Events[N], payload?: Uint8Array): void;
}

export type Handlers = {
  readonly [N in RequestName]: (body: Requests[N]['body'], payload: Uint8Array<ArrayBuffer>, page: Page) => Handled<N> | Promise<Handled<N>>;
};
