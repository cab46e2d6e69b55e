// Sizes of panes, kept in this browser: they are the user's, not the recording's.
const KEY = 'flamebench.panes';

interface Sizes {
  /** Height of the functions table below the graph, px. */
  tableHeight: number;
  /** Width of it beside the graph. */
  tableWidth: number;
  beside: boolean;
  drawerHeight: number;
  /** null = as the window's size says. */
  drawerOpen: boolean | null;
  side: boolean;
}

const FIRST: Sizes = { tableHeight: 260, tableWidth: 480, beside: false, drawerHeight: 132, drawerOpen: null, side: true };

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
    const number = (key: 'tableHeight' | 'tableWidth' | 'drawerHeight') => {
      const value = stored[key];
      return typeof value === 'number' && value >= 60 && value <= 4000 ? value : FIRST[key];
    };
    return {
      tableHeight: number('tableHeight'), tableWidth: number('tableWidth'), drawerHeight: number('drawerHeight'),
      beside: stored.beside === true, drawerOpen: typeof stored.drawerOpen === 'boolean' ? stored.drawerOpen : null, side: stored.side !== false,
    };
  } catch {
    // Damaged or not ours: the first sizes are always good.
    return { ...FIRST };
  }
}

export const arrangement = new Arrangement();
