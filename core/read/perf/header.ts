// Header features: what perf says of the machine, of itself and of its events, in a file's feature sections or in
// HEADER_FEATURE records. Source: tools/perf/util/header.c of Linux v6.18.
import type { Profile } from '#core/model/profile';
import { PerfEvent, attrSize } from './attributes.ts';
import type { EventList } from './attributes.ts';
import { FEATURE, cString, hex, u64 } from './layout.ts';

/** Wall clock against the recording's clock. */
export interface ClockAnchor {
  /** Wall time less the recording's clock, in ms since 1970: exact to a microsecond. */
  readonly offsetMs: number;
}

export class HeaderReader {
  clock: ClockAnchor | null = null;
  /** Build ids (hex) by path, where the header has them apart from the mappings. */
  readonly buildIds = new Map<string, string>();
  arch = '';
  command = '';
  #profile: Profile;
  #events: EventList;

  constructor(profile: Profile, events: EventList) {
    this.#profile = profile;
    this.#events = events;
  }

  /** One feature's payload. Unknown features are passed over; false when a known one does not fit its section. */
  feature(number: number, bytes: Uint8Array): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const info = this.#profile.info;
    switch (number) {
      case FEATURE.HOSTNAME: info.host = stringAt(view, bytes, 0).text; break;
      case FEATURE.OSRELEASE: info.kernel = stringAt(view, bytes, 0).text; break;
      case FEATURE.VERSION: info.tool = `perf ${stringAt(view, bytes, 0).text}`; break;
      case FEATURE.ARCH: this.arch = stringAt(view, bytes, 0).text; break;
      case FEATURE.CMDLINE: this.command = readCommand(view, bytes); break;
      case FEATURE.EVENT_DESC: return this.#eventNames(view, bytes);
      case FEATURE.BUILD_ID: return this.#readBuildIds(view, bytes);
      case FEATURE.CLOCK_DATA:
        if (bytes.length < 24) return false;
        this.clock = { offsetMs: Number(view.getBigUint64(8, true) - view.getBigUint64(16, true)) / 1e6 };
        break;
      default: return true;
    }
    this.#profile.touch();
    return true;
  }

  /** HEADER_BUILD_ID or one entry of the feature: pid, 20 bytes of id with its size at +24, path. `at` is the record. */
  buildId(bytes: Uint8Array, at: number, size: number): void {
    if (size < 37) return;
    const path = cString(bytes, at + 36, at + size);
    const given = bytes[at + 32];
    this.buildIds.set(path, hex(bytes, at + 12, given > 0 && given <= 20 ? given : 20));
  }

  #readBuildIds(view: DataView, bytes: Uint8Array): boolean {
    let at = 0;
    while (at + 8 <= bytes.length) {
      const size = view.getUint16(at + 6, true);
      if (size < 36 || at + size > bytes.length) return false;
      this.buildId(bytes, at, size);
      at += size;
    }
    return true;
  }

  // nr, size of attr; then for each: attr, number of ids, name, ids. The attrs are those of the header, the names are news.
  #eventNames(view: DataView, bytes: Uint8Array): boolean {
    if (bytes.length < 8) return false;
    const count = view.getUint32(0, true);
    const size = view.getUint32(4, true);
    let at = 8;
    for (let i = 0; i < count; i++) {
      if (size === 0 || at + size + 8 > bytes.length) return false;
      const ids = view.getUint32(at + size, true);
      const name = stringAt(view, bytes, at + size + 4);
      if (name.next + ids * 8 > bytes.length) return false;
      if (ids === 0 && count === this.#events.events.length) this.#events.events[i].givenName = name.text;
      for (let id = 0; id < ids; id++) this.#events.rename(u64(view, name.next + id * 8), name.text);
      at = name.next + ids * 8;
    }
    return true;
  }
}

/** A HEADER_ATTR record: attr, then its ids. Null where it does not fit. */
export function readAttrRecord(view: DataView, at: number, size: number): PerfEvent | null {
  if (size < 8 + 64) return null;
  const length = attrSize(view, at + 8);
  if (length < 64 || 8 + length > size) return null;
  const ids: number[] = [];
  for (let next = at + 8 + length; next + 8 <= at + size; next += 8) ids.push(u64(view, next));
  return new PerfEvent(view, at + 8, length, ids);
}

/** EVENT_UPDATE: a name (kind 2) for the event with an id. */
export function readEventUpdate(view: DataView, bytes: Uint8Array, at: number, size: number, events: EventList): void {
  if (size > 24 && u64(view, at + 8) === 2) events.rename(u64(view, at + 16), cString(bytes, at + 24, at + size));
}

/** THREAD_MAP: the thread ids that were attached to. */
export function readThreadMap(view: DataView, at: number, size: number, into: Set<number>): void {
  if (size < 16) return;
  const count = Math.min(u64(view, at + 8), (size - 16) / 24);
  for (let i = 0; i + 1 <= count; i++) into.add(view.getUint32(at + 16 + i * 24, true) | 0);
}

/** Length (padded) and characters up to the first NUL. */
function stringAt(view: DataView, bytes: Uint8Array, at: number): { text: string; next: number } {
  if (at + 4 > bytes.length) return { text: '', next: bytes.length + 1 };
  const length = view.getUint32(at, true);
  const end = Math.min(bytes.length, at + 4 + length);
  return { text: cString(bytes, at + 4, end), next: at + 4 + length };
}

function readCommand(view: DataView, bytes: Uint8Array): string {
  if (bytes.length < 4) return '';
  const count = view.getUint32(0, true);
  const words: string[] = [];
  let at = 4;
  while (words.length < count && at < bytes.length) {
    const word = stringAt(view, bytes, at);
    words.push(/[\s"'$]/.test(word.text) ? `'${word.text}'` : word.text);
    at = word.next;
  }
  return words.join(' ');
}
