// Hands the page its port and nothing else. The page's scripts are modules, which have run when `load` fires.
import { ipcRenderer } from 'electron';

ipcRenderer.on('port', (event) => {
  window.postMessage({ flamebench: 'port' }, location.origin, [...event.ports]);
});
window.addEventListener('load', () => ipcRenderer.send('connect'));
