// The desktop host. It holds no logic: the workbench does the work, this opens windows and hands out ports.
import { BrowserWindow, app, dialog } from 'electron';
import { messageOf } from '#core/errors';
import { Workbench } from '../app/workbench.ts';
import { COMMANDS } from '../cli/commands.ts';
import { processIo } from '../cli/io.ts';
import { setMenu } from './menu.ts';
import { declareScheme, servePage } from './page.ts';
import { listenForPages, openWindow } from './window.ts';

// In a package argv is [program, ...]; in a checkout Electron gets the folder first.
const argv = process.argv.slice(app.isPackaged ? 1 : 2).filter((word) => !word.startsWith('--inspect'));

if (argv[0] === '--version' || argv[0] === '--help' || COMMANDS.some((command) => command.name !== '' && command.name === argv[0])) {
  // `Flamebench.AppImage record ...`: the command line without a window.
  void import('../cli/main.ts').then(async ({ cli }) => app.exit(await cli(argv, processIo())));
} else if (!app.requestSingleInstanceLock({ files: argv })) {
  app.quit();
} else {
  declareScheme();
  start();
}

function start(): void {
  const workbench = new Workbench({ desktop: true });
  const openFiles = (files: readonly string[]): void => {
    void workbench.openFiles(files.filter((word) => !word.startsWith('-')), (error) => dialog.showErrorBox('Flamebench', messageOf(error)));
  };

  app.whenReady().then(async () => {
    await workbench.startup();
    servePage();
    listenForPages((pipe) => workbench.attach(pipe, { token: '' }));
    setMenu();
    openFiles(argv);
    openWindow();
  }).catch((error: unknown) => {
    dialog.showErrorBox('Flamebench cannot start', messageOf(error));
    app.exit(1);
  });

  app.on('second-instance', (_event, _argv, _directory, data) => {
    const files = typeof data === 'object' && data !== null && 'files' in data && Array.isArray(data.files) ? data.files : [];
    openFiles(files.filter((file): file is string => typeof file === 'string'));
    const [window] = BrowserWindow.getAllWindows();
    if (window === undefined) openWindow();
    else window.focus();
  });
  app.on('window-all-closed', () => app.quit());

  // Quitting waits for the recordings to be sealed: what had arrived is on disk either way, a clean end is quicker to open.
  let sealed = false;
  app.on('before-quit', (event) => {
    if (sealed) return;
    event.preventDefault();
    void workbench.shutdown().finally(() => {
      sealed = true;
      app.quit();
    });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => app.quit());
}
