// What can be done, as a list: the palette, the shortcuts and their help all read it.

export interface Command {
  readonly id: string;
  readonly title: string;
  readonly group: string;
  /** `Ctrl+Shift+P`, `F1`, `/`, `?`; the first is shown. */
  readonly keys: readonly string[];
  readonly run: () => void;
  /** '' when it can run now, else the reason why not. */
  readonly blocked?: () => string;
  /** True where the keys are handled by the view itself: they are shown, not bound. */
  readonly shownOnly?: boolean;
}

const lists = new Set<() => readonly Command[]>();

/** Adds a view's commands while it is on screen. Returns the function that takes them away. */
export function addCommands(list: () => readonly Command[]): () => void {
  lists.add(list);
  return () => lists.delete(list);
}

/** Every command that the window has now, in the order in which they were added. */
export function allCommands(): Command[] {
  return [...lists].flatMap((list) => list());
}

/** The key of an event as it is written in a command. Letters are as typed with Shift named, signs as they are. */
export function keyOf(event: KeyboardEvent): string {
  const key = event.key === ' ' ? 'Space' : event.key.length === 1 && /[a-z]/i.test(event.key) ? event.key.toUpperCase() : event.key;
  // A sign such as ? is its own key: that it needs Shift depends on the keyboard.
  const shift = event.shiftKey && (key.length > 1 || /[A-Z]/.test(key));
  return [event.ctrlKey || event.metaKey ? 'Ctrl' : '', event.altKey ? 'Alt' : '', shift ? 'Shift' : '', key].filter((part) => part !== '').join('+');
}

/** True where keys without Ctrl or Alt are text. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement &&
    (target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=radio]), textarea, select, .xterm *'));
}

/** Runs the command that a key means. Returns whether there was one. */
export function runKey(event: KeyboardEvent): boolean {
  const key = keyOf(event);
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !/^F\d+$/.test(event.key);
  if (plain && isTyping(event.target)) return false;
  const command = allCommands().find((one) => one.shownOnly !== true && one.keys.includes(key));
  if (command === undefined || (command.blocked?.() ?? '') !== '') return false;
  event.preventDefault();
  command.run();
  return true;
}
