// Sizes of panes, kept in this browser: they are the user's, not the recording's.
const KEY = 'flamebench.panes';

interface Sizes {
  /** Part of the panes' height that the functions have below the graph. */
  below: number;
  /** Part of the width that they have beside it. */
  across: number;
  beside: boolean;
  /** Parts of the width and height that the first column and row of panes have. */
  column: number;
  row: number;
  drawerHeight: number;
  /** null = as the window's size says. */
  drawerOpen: boolean | null;
  side: boolean;
}

const FIRST: Sizes = { below: 0.42, across: 0.42, beside: false, column: 0.5, row: 0.5, drawerHeight: 132, drawerOpen: null, side: true };

class Arrangement {
  sizes = $state<Sizes>(read());

  constructor() {
    $effect.root(() => {
      $effect(() => localStorage.setItem(KEY, JSON.stringify(this.sizes)));
    });
  }
}

function read(): Sizes {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Record<keyof Sizes, unknown>>;
    const number = (key: 'below' | 'across' | 'column' | 'row' | 'drawerHeight', least: number, most: number) => {
      const value = stored[key];
      return typeof value === 'number' && value >= least && value <= most ? value : FIRST[key];
    };
    return {
      below: number('below', 0.02, 0.98), across: number('across', 0.02, 0.98), drawerHeight: number('drawerHeight', 60, 2000),
      column: number('column', 0.02, 0.98), row: number('row', 0.02, 0.98),
      beside: stored.beside === true, drawerOpen: typeof stored.drawerOpen === 'boolean' ? stored.drawerOpen : null, side: stored.side !== false,
    };
  } catch {
    // Damaged or not ours: the first sizes are always good.
    return { ...FIRST };
  }
}

export const arrangement = new Arrangement();
