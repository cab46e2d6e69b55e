import type { LucideIcon } from '@lucide/svelte';

/** A row of a menu; 'line' parts two groups. */
export type MenuEntry =
  | 'line'
  | {
    readonly text: string;
    readonly key?: string;
    readonly icon?: LucideIcon;
    /** Why it cannot be chosen now; shown in place of the key. */
    readonly blocked?: string;
    readonly checked?: boolean;
    readonly run: () => void;
  };
