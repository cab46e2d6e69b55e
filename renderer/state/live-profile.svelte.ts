import { UserError } from '#core/errors';
import type { Cursor } from '#core/model/delta';
import { applyDelta, startCursor } from '#core/model/delta';
import { Profile } from '#core/model/profile';
import type { Phase, ProfileRef, ProfileStatus } from '#core/protocol/api';
import { link } from '../bridge/link.ts';
import { userError } from '../parts/explain.ts';

/** ms between two pulls of a profile that is looked at, and of one that is not. */
const TICK = 150;
const SLOW_TICK = 1000;
/** Deltas that may wait while the picture is paused; beyond it only the status is read and the rows stay in main. */
const HELD_BYTES = 32_000_000;

const OPENING: ProfileStatus = {
  phase: 'opening', elapsed: 0, samples: 0, lost: 0, ownCpu: null, profilerCpu: null, targetCost: null, paused: false, progress: null,
  notices: [], lanes: [], rate: 0, target: null,
};

/** True while rows may still come. */
export function isLive(phase: Phase): boolean {
  return phase === 'opening' || phase === 'starting' || phase === 'recording' || phase === 'stopping';
}

/**
 * A profile in the page, filled by pulled deltas. The tables are plain: read `revision` first wherever something is
 * derived from them, then use `profile`.
 */
export class LiveProfile {
  readonly ref: ProfileRef;
  /** Replaced only when it is read again from row zero. */
  profile = $state.raw(new Profile());
  /** Grows when rows were added, at most once a frame, never while paused. */
  revision = $state(0);
  status = $state.raw<ProfileStatus>(OPENING);
  /** True once every row that main has is here. */
  complete = $state(false);
  /** Why nothing more comes; null while all is well. */
  error = $state.raw<UserError | null>(null);
  cursor: Cursor = startCursor();

  #paused = $state(false);
  /** Elapsed ns at which the picture was paused. */
  pausedAt = $state(0);
  #visible = false;
  #held: Uint8Array<ArrayBuffer>[] = [];
  #heldBytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  /** A pull was asked for while one was under way. */
  #again = false;
  #closed = false;
  #frame = 0;
  #stops: (() => void)[] = [];

  constructor(ref: ProfileRef) {
    this.ref = ref;
    this.#stops.push(
      link.on('statusChanged', ({ profile }) => { if (profile === ref) this.#soon(0); }),
      // After a reconnection it goes on from its cursor.
      link.watch((state) => { if (state.kind === 'connected') this.#soon(0); }),
    );
  }

  /** Whether the picture stands still; the recording and the pulling go on. */
  get paused(): boolean {
    return this.#paused;
  }

  set paused(value: boolean) {
    if (value === this.#paused) return;
    this.#paused = value;
    this.pausedAt = this.status.elapsed;
    if (value) return;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const bytes of held) if (!this.#apply(bytes)) break;
    this.#soon(0);
  }

  get live(): boolean {
    return isLive(this.status.phase);
  }

  /** A profile that is not looked at is pulled once a second. */
  set visible(value: boolean) {
    if (value === this.#visible) return;
    this.#visible = value;
    if (value) this.#soon(0);
  }

  /** Forgets everything and reads again from row zero. */
  restart(): void {
    this.#forget();
    this.error = null;
    this.#soon(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const stop of this.#stops.splice(0)) stop();
    open.delete(this.ref);
  }

  #soon(wait: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#pull(), wait);
  }

  async #pull(): Promise<void> {
    if (this.#closed) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#again = false;
    const began = performance.now();
    const full = this.#heldBytes > HELD_BYTES;
    const asked = this.cursor;
    let more = false;
    try {
      const { body, payload } = await link.request('since', { profile: this.ref, cursor: asked });
      if (this.#closed) return;
      // A restart while the answer was under way makes it stale.
      if (asked !== this.cursor) more = true;
      else if (!full) more = this.#take(body.cursor, payload, body.complete);
      this.status = body.status;
      this.error = null;
      if (more || this.live || !this.complete) this.#soon(more && !this.#paused ? 0 : this.#pace() - (performance.now() - began));
    } catch (error) {
      if (this.#closed) return;
      // A broken pipe is the connection's matter: `watch` starts again when it is back.
      if (error instanceof UserError && error.code === 'closed') return;
      // Main has another profile under this name than the one that was followed: it is read from its start.
      if (error instanceof UserError && error.code === 'cursor-ahead') return this.restart();
      this.error = userError(error, 'profile');
    } finally {
      this.#busy = false;
      if (this.#again) this.#soon(0);
    }
  }

  /** True when more should be asked for at once. */
  #take(cursor: Cursor, payload: Uint8Array<ArrayBuffer>, complete: boolean): boolean {
    this.cursor = cursor;
    if (this.#paused) {
      this.#held.push(payload);
      this.#heldBytes += payload.length;
    } else if (payload.length > 0 && !this.#apply(payload)) return false;
    this.complete = complete;
    return !complete;
  }

  #apply(bytes: Uint8Array<ArrayBuffer>): boolean {
    try {
      applyDelta(this.profile, bytes);
    } catch (error) {
      // Half of a damaged delta may be in the tables: they are not to be trusted any more.
      this.#forget();
      throw error;
    }
    this.#bump();
    return true;
  }

  #forget(): void {
    this.profile = new Profile();
    this.cursor = startCursor();
    this.#held = [];
    this.#heldBytes = 0;
    this.complete = false;
    this.#bump();
  }

  #bump(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.revision++;
    });
  }

  #pace(): number {
    return this.#visible && !document.hidden ? TICK : SLOW_TICK;
  }
}

// eslint-disable-next-line svelte/prefer-svelte-reactivity -- a register; nothing on screen reads it
const open = new Map<ProfileRef, LiveProfile>();

/** The page's one copy of a profile; the first call begins to pull it. */
export function openProfile(ref: ProfileRef): LiveProfile {
  const known = open.get(ref);
  if (known !== undefined) return known;
  const live = new LiveProfile(ref);
  open.set(ref, live);
  return live;
}

/** Lets go of the page's copy; main's profile is not touched. */
export function forgetProfile(ref: ProfileRef): void {
  open.get(ref)?.close();
}
