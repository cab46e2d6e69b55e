import { DecoderHost } from './decoder-host.ts';
import type { DecoderCalls } from './messages.ts';

/** The tables of a folder as deltas.bin has them, in a new thread, written as the seal writes them. Throws UserError. */
export async function reopen(folder: string): Promise<{ host: DecoderHost; sealed: DecoderCalls['seal']['answer'] }> {
  const host = new DecoderHost({ kind: 'recording', path: folder }, () => undefined);
  try {
    await host.loaded;
    await host.call('tables', { folder });
    const summary = await host.call('summary', null);
    const { mix, gaps } = await host.call('mix', null);
    return { host, sealed: { summary, mix, gaps, failed: '', bytes: 0 } };
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** A decoder thread that answers nothing for so long while it is being stopped is ended: deltas.bin has what it had. */
const STUCK_MS = 60_000;

/** Ends a thread that does not answer any more, so that whoever waits for it goes on. Returns the timer that watches. */
export function watchThread(host: DecoderHost): NodeJS.Timeout {
  let heard = performance.now();
  let asked = false;
  const answered = (): void => {
    asked = false;
    heard = performance.now();
  };
  return setInterval(() => {
    if (performance.now() - heard > STUCK_MS) void host.close();
    if (asked) return;
    asked = true;
    host.call('summary', null).then(answered, answered);
  }, 1000);
}
