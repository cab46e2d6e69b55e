import type { Command } from '../../state/commands.ts';
import { home } from './home.svelte.ts';
import type { SortKey } from './process-tree.ts';

interface Places {
  readonly search: () => void;
  readonly table: () => void;
  readonly record: () => void;
}

/** What Home can do, for the palette and the help. */
export function homeCommands(places: Places): Command[] {
  const group = 'Home';
  const sorts: readonly [SortKey, string][] = [['cpu', 'CPU'], ['memory', 'memory'], ['name', 'name'], ['pid', 'PID'], ['user', 'user'], ['threads', 'threads']];
  return [
    { id: 'home.filter', group, title: 'Filter processes', keys: ['/', 'Ctrl+F'], run: places.search },
    { id: 'home.table', group, title: 'Go to the processes', keys: [], run: places.table },
    { id: 'home.record', group, title: 'Record the chosen process', keys: ['Enter'], run: places.record, shownOnly: true },
    { id: 'home.move', group, title: 'Choose the process above or below', keys: ['ArrowUp', 'ArrowDown'], run: places.table, shownOnly: true },
    { id: 'home.open', group, title: 'Show or hide children', keys: ['ArrowRight', 'ArrowLeft'], run: places.table, shownOnly: true },
    { id: 'home.rename', group, title: 'Rename a recent recording', keys: ['F2'], run: () => {}, shownOnly: true, blocked: () => 'in the list' },
    { id: 'home.delete', group, title: 'Delete a recent recording', keys: ['Delete'], run: () => {}, shownOnly: true, blocked: () => 'in the list' },
    { id: 'home.all', group, title: 'Show all processes', keys: [], run: () => { home.segment = 'all'; } },
    { id: 'home.mine', group, title: 'Show mine and services', keys: [], run: () => { home.segment = 'mine'; } },
    ...sorts.map(([key, text]): Command => ({ id: `home.sort.${key}`, group, title: `Sort processes by ${text}`, keys: [], run: () => home.sortBy(key) })),
  ];
}
