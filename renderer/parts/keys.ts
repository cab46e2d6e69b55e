const SIGNS: Readonly<Record<string, string>> = { ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', PageUp: 'Page Up', PageDown: 'Page Down' };

/** A command's key as it is shown: `Ctrl+Shift+P` is `Ctrl Shift P`, arrows are signs. */
export function keyText(key: string): string {
  return key.split('+').map((part) => SIGNS[part] ?? part).join(' ');
}
