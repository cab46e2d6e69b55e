export type ThemeChoice = 'system' | 'light' | 'dark';
export type RowPitch = 16 | 18 | 22;

const KEY = 'flamebench.settings';

interface Stored {
  readonly theme: ThemeChoice;
  readonly rowPitch: RowPitch;
}

/** What the user prefers, kept in localStorage for every window of this host. */
class Settings {
  theme = $state<ThemeChoice>('system');
  rowPitch = $state<RowPitch>(18);
  #systemDark = $state(false);

  constructor() {
    const stored = read();
    this.theme = stored.theme;
    this.rowPitch = stored.rowPitch;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    this.#systemDark = dark.matches;
    dark.addEventListener('change', () => { this.#systemDark = dark.matches; });
    $effect.root(() => {
      $effect(() => { document.documentElement.dataset['theme'] = this.shownTheme; });
      $effect(() => {
        const stored: Stored = { theme: this.theme, rowPitch: this.rowPitch };
        localStorage.setItem(KEY, JSON.stringify(stored));
      });
    });
    // Effects run after the first paint; the first paint should have its colours.
    document.documentElement.dataset['theme'] = this.shownTheme;
  }

  /** The theme on screen. */
  get shownTheme(): 'light' | 'dark' {
    if (this.theme !== 'system') return this.theme;
    return this.#systemDark ? 'dark' : 'light';
  }

  toggleTheme(): void {
    this.theme = this.shownTheme === 'dark' ? 'light' : 'dark';
  }
}

function read(): Stored {
  const first: Stored = { theme: 'system', rowPitch: 18 };
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    if (typeof value !== 'object' || value === null) return first;
    const { theme, rowPitch } = value as Partial<Record<keyof Stored, unknown>>;
    return {
      theme: theme === 'light' || theme === 'dark' ? theme : 'system',
      rowPitch: rowPitch === 16 || rowPitch === 22 ? rowPitch : 18,
    };
  } catch {
    // Not ours or damaged: the first settings are always good.
    return first;
  }
}

export const settings = new Settings();
