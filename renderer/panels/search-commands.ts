import type { Command } from '../state/commands.ts';

/** Commands whose group and title hold every word of the query, those whose title begins with it first. */
export function searchCommands(commands: readonly Command[], query: string): Command[] {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== '');
  const whole = query.trim().toLowerCase();
  return commands
    .filter((command) => {
      const text = `${command.group} ${command.title}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .sort((a, b) => Number(b.title.toLowerCase().startsWith(whole)) - Number(a.title.toLowerCase().startsWith(whole)));
}
