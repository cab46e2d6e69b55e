// The workbench: everything that a page can ask for. Hosts (browser, Electron) only hand it their pipes.
import { timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { UserError } from '#core/errors';
import type { EventName, Events, HostFacts, OpenSource, ProfileRef, RequestName } from '#core/protocol/api';
import { PROTOCOL_VERSION } from '#core/protocol/api';
import type { Pipe } from '#core/protocol/pipe';
import { serve } from '#core/protocol/rpc';
import { NO_PAYLOAD, decodeMessage } from '#core/protocol/wire';
import { Library } from '../library/library.ts';
import { recoverAll } from '../library/recover.ts';
import type { Recovered } from '../library/recover.ts';
import { RESOURCES } from '../paths.ts';
import { findTool } from '../profilers/find-tool.ts';
import { dataFolder } from '../record/data-folder.ts';
import { machineFacts } from '../record/machine.ts';
import { belongTogether } from '../record/together.ts';
import { toolVersion } from '../record/version.ts';
import type { Context, Handlers, Page } from './context.ts';
import { fileHandlers } from './handlers/files.ts';
import { libraryHandlers } from './handlers/library.ts';
import { processHandlers } from './handlers/processes.ts';
import { openSource, profileHandlers } from './handlers/profiles.ts';
import { recordingHandlers } from './handlers/recording.ts';
import { terminalHandlers, watchTerminal } from './handlers/terminals.ts';
import { Profiles } from './profiles.ts';
import { checkBody, isRequest } from './schemas.ts';
import { Shells } from './shells.ts';
import { Uploads } from './uploads.ts';

export interface WorkbenchOptions {
  /** Data folder; default $FLAMEBENCH_HOME, else $XDG_DATA_HOME/flamebench, else ~/.local/share/flamebench. */
  readonly home?: string;
  /** True in Electron: the page has files by path. */
  readonly desktop: boolean;
}

/** Lives as long as its server; pages come and go. */
export class Workbench {
  readonly #context: Context;
  readonly #pages = new Set<Page>();
  readonly #handlers: Handlers;

  constructor(options: WorkbenchOptions) {
    const home = dataFolder(options.home);
    const emit = <N extends EventName>(name: N, body: Events[N], payload?: Uint8Array): void => {
      for (const page of this.#pages) page.emit(name, body, payload);
    };
    const context: Context = {
      home, desktop: options.desktop, library: new Library(home),
      profiles: new Profiles({ listChanged: () => emit('profilesChanged', {}), statusChanged: (profile) => emit('statusChanged', { profile }) }),
      shells: new Shells((terminal) => watchTerminal(context, terminal)), uploads: new Uploads(), pages: this.#pages, emit,
    };
    this.#context = context;
    this.#handlers = {
      hello: () => hostFacts(options.desktop),
      ...processHandlers(), ...recordingHandlers(context), ...profileHandlers(context), ...libraryHandlers(context), ...terminalHandlers(context),
      ...fileHandlers(context),
    };
  }

  get activeRecordings(): number {
    return this.#context.profiles.recordings.length;
  }

  /** Finds and completes what a crash left, and empties the trash of earlier sessions. */
  async startup(): Promise<readonly Recovered[]> {
    this.#context.library.emptyTrash();
    const recovered = await recoverAll(this.#context.library);
    if (recovered.length > 0) this.#context.emit('libraryChanged', {});
    return recovered;
  }

  /** Serves one page. Its first message must be `hello` with this token ('' = none is wanted); else the pipe is closed. */
  attach(pipe: Pipe, options: { readonly token: string }): void {
    let welcome = false;
    const guarded: Pipe = {
      send: (bytes) => pipe.send(bytes),
      onClose: (closed) => pipe.onClose(closed),
      close: () => pipe.close(),
      onMessage: (receive) => pipe.onMessage((bytes) => {
        if (!welcome && !isHello(bytes, options.token)) {
          pipe.close();
          return;
        }
        welcome = true;
        receive(bytes);
      }),
    };
    const holds = new Set<ProfileRef>();
    const served = serve(guarded, async (name, body, payload) => await this.#handle(name, body, payload, page));
    const page: Page = { emit: served.emit, holds, watches: new Set() };
    this.#pages.add(page);
    pipe.onClose(() => this.#pages.delete(page));
  }

  /** Opens something for all pages to find, as a file manager or a command line asks. Throws UserError where it cannot be read. */
  async open(source: OpenSource): Promise<ProfileRef> {
    return await openSource(this.#context, source);
  }

  /** Opens files by path: traces of the ranks of one job as one profile, others one by one. Those that cannot be read are told of. */
  async openFiles(paths: readonly string[], failed: (error: unknown) => void): Promise<void> {
    if (await belongTogether(paths.map((path) => ({ path, name: basename(path) })))) {
      await this.#context.profiles.openTogether(paths).catch(failed);
      return;
    }
    for (const path of paths) await this.open({ kind: 'path', path }).catch(failed);
  }

  /** Stops recordings cleanly, keeps them, ends everything that was started here. */
  async shutdown(): Promise<void> {
    await this.#context.profiles.shutdown();
    this.#context.shells.close();
    await this.#context.uploads.close();
  }

  async #handle(name: string, body: unknown, payload: Uint8Array<ArrayBuffer>, page: Page): Promise<{ body: unknown; payload: Uint8Array }> {
    if (!isRequest(name)) throw new UserError('request', `there is no request ${name.slice(0, 40)}`, { hint: 'Reload the page: it is of another version.' });
    return await this.#answer(name, body, payload, page);
  }

  async #answer<N extends RequestName>(name: N, body: unknown, payload: Uint8Array<ArrayBuffer>, page: Page): Promise<{ body: unknown; payload: Uint8Array }> {
    const handled = await this.#handlers[name](checkBody(name, body), payload, page);
    // Answers with bytes have exactly these two fields; no answer of the contract has a field `payload`.
    return 'payload' in handled && 'body' in handled ? { body: handled.body, payload: handled.payload } : { body: handled, payload: NO_PAYLOAD };
  }
}

function isHello(bytes: Uint8Array<ArrayBuffer>, token: string): boolean {
  try {
    const { head } = decodeMessage(bytes);
    if (head.k !== 'request' || head.name !== 'hello') return false;
    const given = checkBody('hello', head.body).token;
    if (token === '') return true;
    const [a, b] = [Buffer.from(given), Buffer.from(token)];
    return a.length === b.length && timingSafeEqual(a, b);
  } catch {
    // Not one of our messages at all.
    return false;
  }
}

function hostFacts(desktop: boolean): HostFacts {
  const machine = machineFacts();
  const script = join(RESOURCES, 'example', 'train.py');
  const python = findTool('python3');
  return {
    protocol: PROTOCOL_VERSION, version: toolVersion(), host: machine.host, kernel: machine.kernel, cpus: machine.cpus, gpus: machine.gpus,
    user: machine.user, home: homedir(), desktop,
    example: python !== null && existsSync(script) ? { argv: [python, script], directory: join(RESOURCES, 'example') } : null,
  };
}
