import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { UserError, messageOf } from '#core/errors';
import { PAGE } from '../paths.ts';
import { isAlive, startOf } from '../processes/identity.ts';
import { dataFolder } from '../record/data-folder.ts';
import { toolVersion } from '../record/version.ts';
import { loadAssets } from './assets.ts';
import { startServer } from './server.ts';

/** The port that is tried first, so that an `ssh -L` line stays the same; any free one when it is taken. */
export const USUAL_PORT = 4774;

export interface ServeOptions {
  /** null = USUAL_PORT, or a free one. */
  readonly port: number | null;
  readonly files: readonly string[];
  readonly json: boolean;
  /** Said after the URL on the one line that a person reads; '' for nothing. */
  readonly because?: string;
  readonly print: (line: string) => void;
  readonly warn: (line: string) => void;
}

/** What a running server leaves for `serve --stop`: who it is and where. Private (0600): the URL carries the token. */
interface ServerFile {
  readonly pid: number;
  readonly start: number;
  readonly url: string;
}

/**
 * Runs the browser host until a signal ends it; resolves with the exit code. SIGHUP (a dropped ssh) ends nothing.
 * Throws UserError where it cannot start.
 */
export async function serve(options: ServeOptions): Promise<number> {
  // Set first: a connection that drops during the start must not end it either.
  process.on('SIGHUP', () => undefined);
  // Whoever read our line may be gone (`serve | head -1`): that is no reason to end.
  process.stdout.on('error', () => undefined);

  const assets = loadAssets(PAGE);
  const { Workbench } = await import('../app/workbench.ts');
  const workbench = new Workbench({ desktop: false });
  await workbench.startup();
  const attach: Parameters<typeof startServer>[0]['attach'] = (pipe, token) => workbench.attach(pipe, { token });
  const server = await startServer({ port: options.port ?? USUAL_PORT, assets, attach }).catch((error: unknown) => {
    if (options.port !== null) throw error;
    return startServer({ port: 0, assets, attach });
  });

  const file = serverFile();
  writeServerFile(file, { pid: process.pid, start: startOf(process.pid) ?? 0, url: server.url });
  await workbench.openFiles(options.files.map((path) => resolve(path)), (error) => options.warn(`flamebench: ${messageOf(error)}`));
  if (options.json) options.print(JSON.stringify({ schema: 1, tool: `flamebench ${toolVersion()}`, url: server.url, pid: process.pid }));
  else options.print(`Flamebench is ready: ${server.url}${options.because ? `  (${options.because})` : ''}`);

  return await new Promise<number>((done) => {
    let ending = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (ending) return;
        ending = true;
        void workbench.shutdown().catch((error: unknown) => options.warn(`flamebench: ${messageOf(error)}`))
          .then(() => server.close())
          .then(() => { rmSync(file, { force: true }); done(0); });
      });
    }
  });
}

/** Starts `serve` in a session of its own and resolves when it is ready. */
export async function serveDetached(options: { port: number | null; files: readonly string[]; script: string }): Promise<{ url: string; pid: number }> {
  const log = join(dirname(serverFile()), 'serve.log');
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const argv = [options.script, 'serve', '--json', ...(options.port === null ? [] : ['--port', String(options.port)]), ...options.files.map((path) => resolve(path))];
  const child = spawn(process.execPath, argv, { detached: true, stdio: ['ignore', 'pipe', openSync(log, 'w', 0o600)] });
  const { stdout } = child;
  if (stdout === null) throw new UserError('serve', 'the server could not be started');
  return await new Promise((ready, fail) => {
    let text = '';
    stdout.setEncoding('utf8');
    stdout.on('data', (chunk: string) => {
      text += chunk;
      const [line, rest] = text.split('\n', 2);
      if (rest === undefined) return;
      const { url, pid } = JSON.parse(line) as { url: string; pid: number };
      stdout.destroy();
      child.unref();
      ready({ url, pid });
    });
    child.on('error', fail);
    child.on('exit', (code) => {
      const said = readFileSync(log, 'utf8').trim();
      fail(new UserError('serve', said === '' ? `the server ended with exit code ${code} before it was ready` : said.replace(/^flamebench: /, '')));
    });
  });
}

/** Ends the running server and waits for it. Resolves with its pid, or null when none runs. */
export async function stopServer(): Promise<number | null> {
  const running = runningServer();
  if (running === null) return null;
  process.kill(running.pid, 'SIGTERM');
  for (let waited = 0; waited < 30_000; waited += 50) {
    if (!isAlive(running)) return running.pid;
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new UserError('serve', `the server (process ${running.pid}) did not end within 30 s`, { command: `kill -9 ${running.pid}` });
}

/** The server of this user that runs now, or null. */
export function runningServer(): ServerFile | null {
  try {
    const found = JSON.parse(readFileSync(serverFile(), 'utf8')) as ServerFile;
    return isAlive(found) ? found : null;
  } catch {
    // No file, or one cut by a crash: no server that we could name.
    return null;
  }
}

function serverFile(): string {
  return join(dataFolder(), 'serve.json');
}

function writeServerFile(path: string, facts: ServerFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, JSON.stringify(facts), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
