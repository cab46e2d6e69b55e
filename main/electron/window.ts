import { join } from 'node:path';
import { BrowserWindow, MessageChannelMain, ipcMain, session, shell } from 'electron';
import type { Pipe } from '#core/protocol/pipe';
import { ROOT } from '../paths.ts';
import { PAGE_ORIGIN } from './page.ts';
import { portPipe } from './port-pipe.ts';

// What the page asks the system for. Everything else (camera, location, notifications ...) is refused.
const ALLOWED_PERMISSIONS = new Set(['clipboard-sanitized-write']);

/** Hands a port to each page of ours that asks for one. Strangers get none. */
export function listenForPages(attach: (pipe: Pipe) => void): void {
  ipcMain.on('connect', (event) => {
    const frame = event.senderFrame;
    if (frame === null || frame.parent !== null || frame.origin !== PAGE_ORIGIN) return;
    const { port1, port2 } = new MessageChannelMain();
    attach(portPipe(port1));
    frame.postMessage('port', null, [port2]);
  });
  const refuse = session.defaultSession;
  refuse.setPermissionRequestHandler((_contents, permission, answer) => answer(ALLOWED_PERMISSIONS.has(permission)));
  refuse.setPermissionCheckHandler((_contents, permission) => ALLOWED_PERMISSIONS.has(permission));
}

/** Opens a window: sandboxed, isolated, without Node, which cannot leave its page. */
export function openWindow(): BrowserWindow {
  const window = new BrowserWindow({
    width: 1440,
    height: 900,
    minWidth: 800,
    minHeight: 560,
    title: 'Flamebench',
    backgroundColor: '#eaecef',
    icon: join(ROOT, 'resources', 'icon.png'),
    autoHideMenuBar: true,
    webPreferences: {
      preload: join(ROOT, 'dist', 'preload', 'index.cjs'),
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      spellcheck: false,
    },
  });
  window.webContents.on('will-navigate', (event) => event.preventDefault());
  window.webContents.setWindowOpenHandler(({ url }) => {
    // Links to documentation leave for the user's browser; nothing opens inside.
    if (url.startsWith('https://')) void shell.openExternal(url);
    return { action: 'deny' };
  });
  void window.loadURL(`${PAGE_ORIGIN}/index.html`);
  return window;
}
