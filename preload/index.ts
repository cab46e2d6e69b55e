// Hands the page a port each time it asks, and nothing else. The preload runs before the page's scripts, so none of
// their messages is missed.
import { ipcRenderer } from 'electron';

ipcRenderer.on('port', (event) => {
  window.postMessage({ flamebench: 'port' }, location.origin, [...event.ports]);
});
window.addEventListener('message', (event: MessageEvent<unknown>) => {
  const asks = event.source === window && typeof event.data === 'object' && event.data !== null && 'flamebench' in event.data;
  if (asks && event.data.flamebench === 'ready') ipcRenderer.send('connect');
});
