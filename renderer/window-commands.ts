import { sheets } from './panels/sheets.svelte.ts';
import type { Command } from './state/commands.ts';
import { stepRegion } from './state/regions.ts';
import { settings } from './state/settings.svelte.ts';
import { workbench } from './state/workbench.svelte.ts';

/** Commands that the window has whatever it shows. */
export function windowCommands(): Command[] {
  const group = 'Window';
  const tabs: Command[] = workbench.tabs.map((tab, i) => ({
    id: `window.tab.${tab.id}`, group, title: `Go to ${tab.title}`, keys: i < 9 ? [`Alt+${i + 1}`] : [], run: () => workbench.activate(tab),
  }));
  return [
    { id: 'window.palette', group, title: 'Commands', keys: ['Ctrl+Shift+P', 'Ctrl+K', 'F1'], run: () => { sheets.open = 'palette'; } },
    { id: 'window.shortcuts', group, title: 'Keyboard help', keys: ['?'], run: () => { sheets.open = 'shortcuts'; } },
    ...tabs,
    { id: 'window.next', group, title: 'Next tab', keys: ['Ctrl+PageDown', 'Alt+Shift+ArrowRight'], run: () => workbench.step(1) },
    { id: 'window.previous', group, title: 'Previous tab', keys: ['Ctrl+PageUp', 'Alt+Shift+ArrowLeft'], run: () => workbench.step(-1) },
    {
      id: 'window.close', group, title: 'Close this tab', keys: ['Alt+W'], run: () => workbench.close(workbench.active),
      blocked: () => (workbench.active.kind === 'home' ? 'Home stays open' : ''),
    },
    { id: 'window.region', group, title: 'Next region', keys: ['F6'], run: () => stepRegion(1) },
    { id: 'window.region-back', group, title: 'Previous region', keys: ['Shift+F6'], run: () => stepRegion(-1) },
    { id: 'window.theme', group, title: settings.shownTheme === 'dark' ? 'Light theme' : 'Dark theme', keys: [], run: () => settings.toggleTheme() },
    ...([16, 18, 22] as const).map((pitch): Command => ({
      id: `window.pitch.${pitch}`, group, title: `Rows of ${pitch} px`, keys: [], run: () => { settings.rowPitch = pitch; },
    })),
  ];
}
