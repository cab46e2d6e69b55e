import { UserError } from '#core/errors';
import type { TerminalRef } from '#core/protocol/api';
import type { PtyTerminal, ShownTerminal } from '../../record/terminal.ts';
import type { Context, Handlers } from '../context.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function terminalHandlers(context: Context): Pick<Handlers, 'terminals' | 'terminalAttach' | 'terminalWrite' | 'terminalResize' | 'shellOpen'> {
  return {
    terminals: ({ profile }) => ({
      terminals: context.profiles.get(profile).terminals.map(({ id, title, running }) => ({ id, title, running })),
    }),
    // What was printed until now and what comes next meet without a gap: both happen in this turn of the loop.
    terminalAttach: ({ terminal }, _payload, page) => {
      const found = find(context, terminal);
      page.watches.add(terminal);
      return { body: { running: found.running }, payload: encoder.encode(found.output) };
    },
    terminalWrite: ({ terminal }, payload) => {
      find(context, terminal).write(decoder.decode(payload));
      return {};
    },
    terminalResize: ({ terminal, columns, rows }) => {
      find(context, terminal).resize(columns, rows);
      return {};
    },
    shellOpen: ({ command }) => ({ terminal: context.shells.open(command).id }),
  };
}

/** Sends a terminal's output to the pages that attached to it. */
export function watchTerminal(context: Context, terminal: PtyTerminal): void {
  terminal.onOutput((text) => {
    const payload = encoder.encode(text);
    for (const page of context.pages) if (page.watches.has(terminal.id)) page.emit('terminalData', { terminal: terminal.id }, payload);
  });
  void terminal.done.then(({ code, signal }) => context.emit('terminalExit', { terminal: terminal.id, code, signal }));
}

function find(context: Context, id: TerminalRef): ShownTerminal {
  const shell = context.shells.get(id);
  if (shell !== null) return shell;
  for (const profile of context.profiles.all) {
    const found = profile.terminals.find((terminal) => terminal.id === id);
    if (found !== undefined) return found;
  }
  throw new UserError('no-terminal', 'this terminal is not there any more');
}
