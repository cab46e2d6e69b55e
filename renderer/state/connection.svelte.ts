import type { UserError } from '#core/errors';
import type { HostFacts } from '#core/protocol/api';
import type { LinkState } from '../bridge/link.ts';
import { link } from '../bridge/link.ts';

/** What the window knows of its way to main. */
class Connection {
  state = $state.raw<LinkState>(link.state);
  /** Facts of the machine; kept while reconnecting. */
  host = $state.raw<HostFacts | null>(null);

  constructor() {
    link.watch((state) => {
      this.state = state;
      if (state.kind === 'connected') this.host = state.host;
    });
  }

  get connected(): boolean {
    return this.state.kind === 'connected';
  }

  get reconnecting(): boolean {
    return this.state.kind === 'reconnecting';
  }

  get refused(): UserError | null {
    return this.state.kind === 'refused' ? this.state.error : null;
  }
}

export const connection = new Connection();
