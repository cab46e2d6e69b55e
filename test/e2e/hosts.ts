// The two hosts that the one end-to-end script drives: a real Chromium on the browser host, and Electron.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { _electron, chromium } from 'playwright-core';
import type { ElectronApplication, Page } from 'playwright-core';

export const ROOT = resolve(import.meta.dirname, '../..');
const NODE = process.execPath;

export interface Host {
  readonly name: string;
  readonly page: Page;
  /** Data folder of this run. */
  readonly home: string;
  /** What the host printed so far, for messages. */
  readonly log: () => string;
  readonly close: () => Promise<void>;
}

export interface ElectronHost extends Host {
  readonly app: ElectronApplication;
}

export const CHROMIUM_FLAGS = [
  '--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
];

/** Debian's Chromium, or another by its usual names; null with nothing to drive. */
export function findChromium(): string | null {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' });
    if (found.status === 0) return found.stdout.trim();
  }
  return null;
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The longest that one step of a script may take, ms: a hang ends as a failure with a name. */
const LIMIT = 45_000;

/** A step with a limit: a failure that says which one hung, and what was said until then. */
export async function within<T>(what: string, step: Promise<T>, log: () => string = () => '', ms = LIMIT): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what} took longer than ${ms / 1000} s. ${log()}`)), ms);
  });
  try {
    return await Promise.race([step, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** `flamebench serve` in a process of its own, as a user starts it. */
export async function startServe(home: string, args: readonly string[] = []): Promise<{ url: string; child: ChildProcess; log: () => string }> {
  const child = spawn(NODE, [join(ROOT, 'main/cli/bin.ts'), 'serve', '--port', '0', '--json', ...args], {
    cwd: ROOT, env: { ...process.env, FLAMEBENCH_HOME: home }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
  const ready = new Promise<string>((ready, fail) => {
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk;
      text += chunk;
      const line = out.split('\n').find((each) => each.startsWith('{'));
      if (line !== undefined && out.includes('\n')) ready((JSON.parse(line) as { url: string }).url);
    });
    child.on('exit', (code) => fail(new Error(`serve ended with ${code}: ${text}`)));
  });
  try {
    return { url: await within('the start of serve', ready, () => text), child, log: () => text };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

/** A real Chromium on the browser host. */
export async function browserHost(size = { width: 1440, height: 900 }, colorScheme: 'light' | 'dark' = 'light'): Promise<Host> {
  const home = mkdtempSync(join(tmpdir(), 'flamebench-e2e-'));
  const { url, child, log } = await startServe(home);
  const browser = await chromium.launch({ executablePath: findChromium() ?? '', args: CHROMIUM_FLAGS, timeout: LIMIT }).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  const open = async (): Promise<Page> => {
    const context = await browser.newContext({ viewport: size, colorScheme, acceptDownloads: true });
    const page = await context.newPage();
    page.setDefaultTimeout(LIMIT);
    await page.goto(url, { waitUntil: 'domcontentloaded' });
    return page;
  };
  const page = await within('the first page', open(), log).catch((error: unknown) => {
    void browser.close();
    child.kill('SIGKILL');
    throw error;
  });
  return {
    name: 'browser host', page, home, log,
    close: async () => {
      await within('the end of Chromium', browser.close(), log, 20_000);
      await endOf(child, 'SIGTERM');
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export type ElectronChoice = { readonly path: string; readonly standIn: boolean } | { readonly why: string };

/** The real binary where there is one; else a stand-in that runs the host's code on Node and Chromium; else why neither. */
export function findElectron(): ElectronChoice {
  const pathFile = join(ROOT, 'node_modules/electron/path.txt');
  if (existsSync(pathFile)) {
    const path = join(ROOT, 'node_modules/electron/dist', readFileSync(pathFile, 'utf8').trim());
    if (isProgram(path)) return { path, standIn: false };
  }
  const standIn = join(ROOT, '../shared/electron-standin/electron');
  if (isProgram(standIn) && findChromium() !== null) return { path: standIn, standIn: true };
  return { why: 'Electron\'s binary is not here (`npx install-electron` fetches it) and there is no stand-in for it' };
}

export async function electronHost(choice: { readonly path: string }): Promise<ElectronHost> {
  const home = mkdtempSync(join(tmpdir(), 'flamebench-e2e-'));
  const environment: Record<string, string> = {};
  for (const [key, value] of Object.entries(process.env)) if (value !== undefined) environment[key] = value;
  const app = await _electron.launch({
    executablePath: choice.path,
    args: [ROOT, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
    cwd: ROOT,
    env: { ...environment, FLAMEBENCH_HOME: home },
    timeout: LIMIT,
  });
  let text = '';
  app.process().stderr?.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; });
  const page = await app.firstWindow({ timeout: LIMIT });
  page.setDefaultTimeout(LIMIT);
  return {
    name: 'Electron', app, page, home, log: () => text,
    close: async () => {
      await within('the end of Electron', app.close(), () => text, 20_000);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Sends a signal and waits for the end, 30 s at most; then it is killed, and that is a failure. */
export async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const end = new Promise<void>((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    child.on('exit', () => done());
    child.kill(signal);
  });
  try {
    await within(`the end of process ${child.pid} after ${signal}`, end, undefined, 30_000);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}
