import type { LinkOptions } from './link.ts';
import { portPipe } from './port.ts';
import { socketPipe, takeToken } from './socket.ts';

/** Which pipe this window has: the desktop host's port, or a socket to where the page came from. Decided once. */
export function pickPipe(): LinkOptions {
  const desktop = !location.protocol.startsWith('http') || navigator.userAgent.includes(' Electron/');
  return desktop
    ? { open: portPipe, token: '', reload: () => location.reload() }
    : { open: socketPipe, token: takeToken(), reload: () => location.reload() };
}
