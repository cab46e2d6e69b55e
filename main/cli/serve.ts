import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { UserError } from '#core/errors';
import type { Arguments } from './arguments.ts';
import { isSet, numberOf } from './arguments.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';
import { printJson } from './json.ts';

/** The browser host: in front, detached, or the end of the one that runs. */
export async function serveCommand(args: Arguments, io: CliIo): Promise<number> {
  const port = numberOf(args, 'port', { least: 0, most: 65_535, whole: true }) ?? null;
  const json = isSet(args, 'json');
  const { serve, serveDetached, stopServer } = await import('../web/serve.ts');
  if (isSet(args, 'stop')) {
    if (isSet(args, 'detach') || args.positionals.length > 0) throw new UsageError('--stop stands alone');
    const pid = await stopServer();
    if (json) await printJson(io, { stopped: pid !== null, pid });
    else await print(io.stdout, pid === null ? 'No server of yours is running.\n' : `The server (process ${pid}) has ended.\n`);
    return 0;
  }
  checkFiles(args.positionals);
  if (isSet(args, 'detach')) {
    const script = process.argv[1] ?? fileURLToPath(new URL('./bin.ts', import.meta.url));
    const { url, pid } = await serveDetached({ port, files: args.positionals, script });
    if (json) await printJson(io, { url, pid });
    else await print(io.stdout, `Flamebench is ready: ${url}\n`);
    return 0;
  }
  return await serve({ port, files: args.positionals, json, ...lines(io) });
}

/** The workbench, with files or without. */
export async function workbench(args: Arguments, io: CliIo): Promise<number> {
  checkFiles(args.positionals);
  const { openWorkbench } = await import('../launch.ts');
  return await openWorkbench(args.positionals, lines(io));
}

// A closed reader must not end a server: its lines are written and forgotten.
function lines(io: CliIo): { print: (line: string) => void; warn: (line: string) => void } {
  return { print: (line) => void io.stdout.write(`${line}\n`), warn: (line) => void io.stderr.write(`${line}\n`) };
}

function checkFiles(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      statSync(path);
    } catch {
      throw new UserError('no-file', `there is no file ${path}`);
    }
  }
}
