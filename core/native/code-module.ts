import type { FrameId, FunctionId, StringId } from '#core/model/ids';
import type { Profile } from '#core/model/profile';
import type { FrameRule } from '#core/model/tables';
import { FRAME_RULES, FUNCTION_UNNAMED } from '#core/model/tables';
import type { Row } from './cfi.ts';
import { PcTable } from './pc-table.ts';

/** One place in code that was seen, with all that was found out about it. */
export class Site {
  readonly va: number;
  /** Frames by rule (index in FRAME_RULES), -1 = not made yet. */
  readonly frames = new Int32Array(FRAME_RULES.length).fill(-1);
  /** undefined = not looked up yet. */
  row: Row | null | undefined = undefined;
  /** Whether the address after this one follows a call; undefined = not looked up yet. */
  afterCall: Follows | undefined = undefined;

  constructor(va: number) {
    this.va = va;
  }
}

/** `unknown` where the bytes of the code are out of reach, as with a JIT's memory. */
export type Follows = 'yes' | 'no' | 'unknown';

interface Unnamed {
  readonly frame: FrameId;
  readonly va: number;
}

/** Code that addresses belong to: an ELF file or a process's anonymous memory. Sites are cached by virtual address. */
export abstract class CodeModule {
  /** What frames carry as their library: the path. */
  readonly library: StringId;
  protected readonly profile: Profile;
  #sites = new PcTable<Site>();
  /** Frames whose function has only an address for a name. */
  protected unnamed: Unnamed[] = [];
  /** Those of them that are to be looked up again. */
  #again: Unnamed[] = [];

  constructor(profile: Profile, library: string) {
    this.profile = profile;
    this.library = profile.strings.intern(library);
  }

  site(va: number): Site {
    let site = this.#sites.get(va);
    if (site === undefined) {
      site = new Site(va);
      this.#sites.set(va, site);
    }
    return site;
  }

  frame(site: Site, rule: number): FrameId {
    const known = site.frames[rule];
    return known >= 0 ? (known as FrameId) : this.#makeFrame(site, rule);
  }

  get unnamedFrames(): number {
    return this.unnamed.length + this.#again.length;
  }

  /** Unwinding rules at a site, null where there are none. */
  abstract row(site: Site): Row | null;
  /** Whether the byte after the site's follows a call. */
  abstract follows(site: Site): Follows;
  /** The function at a virtual address, by what is loaded so far. */
  protected abstract functionAt(va: number): FunctionId;

  #makeFrame(site: Site, rule: number): FrameId {
    const before = this.profile.frames.length;
    const fn = this.functionAt(site.va);
    const frame = this.profile.frames.native(this.library, site.va, FRAME_RULES[rule] satisfies FrameRule, fn);
    site.frames[rule] = frame;
    if (frame >= before && (this.profile.functions.flags.get(fn) & FUNCTION_UNNAMED) !== 0) this.unnamed.push({ frame, va: site.va });
    return frame;
  }

  /** Frames that are to be looked up again wait. */
  protected get renaming(): boolean {
    return this.#again.length > 0;
  }

  /** From here on everything that has no name is looked up again, in `renameMore`. */
  protected renameUnnamed(): void {
    for (const entry of this.unnamed) this.#again.push(entry);
    this.unnamed = [];
  }

  /** Looks up again until `deadline` (Date.now() ms); frames that still have no name stay on the list. Returns whether more waits. */
  protected renameMore(deadline: number): boolean {
    for (let done = 0; this.#again.length > 0; done++) {
      if (done % 8 === 7 && Date.now() >= deadline) return true;
      const entry = this.#again.pop() as Unnamed;
      const fn = this.functionAt(entry.va);
      if (fn !== this.profile.frames.functionOf(entry.frame)) this.profile.frames.setFunction(entry.frame, fn);
      if ((this.profile.functions.flags.get(fn) & FUNCTION_UNNAMED) !== 0) this.unnamed.push(entry);
    }
    return false;
  }
}
