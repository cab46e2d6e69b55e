import type { Notice } from '#core/protocol/api';
import { openContents, recordingOf } from '../library/contents.ts';
import { PastTerminal } from '../record/terminal.ts';
import type { ShownTerminal } from '../record/terminal.ts';

/** What a recording that is opened again knows besides its tables. */
export interface Past {
  readonly lost: number;
  readonly notices: readonly Notice[];
  readonly terminals: readonly ShownTerminal[];
}

/** Reads it from a folder or a .flamebench file. Throws UserError where that is no recording. */
export function readPast(path: string): Past {
  const contents = openContents(path);
  try {
    const file = recordingOf(contents, path);
    const terminals: ShownTerminal[] = [];
    for (const { file: name, title } of file.terminals) {
      const source = contents.open(name);
      if (source === null) continue;
      terminals.push(new PastTerminal(title, new TextDecoder().decode(source.read(0, source.size))));
      source.close();
    }
    return { lost: file.lost, notices: file.notices, terminals };
  } finally {
    contents.close();
  }
}
