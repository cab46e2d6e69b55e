/** A row of a menu that stands at a point: the menu of a box, the thread chooser. */
export interface MenuRow {
  readonly label: string;
  /** Shown at the right; a single letter also works while the menu is open. */
  readonly key?: string;
  /** Why it cannot be used: shown at the right instead of the key. */
  readonly why?: string;
  /** Ticked or not; absent = a plain command. */
  readonly ticked?: boolean;
  /** A line above the row. */
  readonly line?: boolean;
  /** Ticking leaves the menu open. */
  readonly stays?: boolean;
  readonly run: () => void;
}
