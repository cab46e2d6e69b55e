import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';

/** Where Flamebench keeps tools that it helped to install. */
export function ownTools(): string {
  const data = process.env.XDG_DATA_HOME;
  return join(data !== undefined && data.startsWith('/') ? data : join(homedir(), '.local/share'), 'flamebench/tools/bin');
}

/**
 * The real program behind a name, or null. Looks at `first` (folders), PATH, our own folder, the user's, virtual
 * environments, pipx, uv and the versions of pyenv. A shim (pyenv, asdf) is a shell script that takes 80 ms and hides the
 * pid, so shims count only when nothing else is there.
 */
export function findTool(name: string, first: readonly string[] = []): string | null {
  const home = homedir();
  const folders = [
    ...first,
    ...(process.env.VIRTUAL_ENV === undefined ? [] : [join(process.env.VIRTUAL_ENV, 'bin')]),
    ...(process.env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/')),
    ownTools(),
    join(home, '.local/bin'),
    join(home, `.local/share/pipx/venvs/${name}/bin`),
    join(home, `.local/pipx/venvs/${name}/bin`),
    join(home, `.local/share/uv/tools/${name}/bin`),
    ...pyenvFolders(home),
    ...['miniconda3', 'miniforge3', 'anaconda3', 'mambaforge'].map((folder) => join(home, folder, 'bin')),
    join(home, '.cargo/bin'), '/opt/conda/bin', '/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin',
  ];
  let shim: string | null = null;
  for (const folder of folders) {
    const path = join(folder, name);
    if (!isProgram(path)) continue;
    if (basename(folder) !== 'shims') return path;
    shim ??= path;
  }
  return shim;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** bin folders of pyenv's versions: the chosen one first, then the newest. */
function pyenvFolders(home: string): string[] {
  const root = process.env.PYENV_ROOT ?? join(home, '.pyenv');
  let versions: string[];
  try {
    versions = readdirSync(join(root, 'versions'));
  } catch {
    return [];
  }
  let chosen = process.env.PYENV_VERSION ?? '';
  if (chosen === '') {
    try {
      chosen = readFileSync(join(root, 'version'), 'utf8').trim().split('\n')[0];
    } catch {
      // No version was chosen.
    }
  }
  versions.sort((a, b) => Number(b === chosen) - Number(a === chosen) || b.localeCompare(a, 'en', { numeric: true }));
  return versions.map((version) => join(root, 'versions', version, 'bin'));
}

/** Folders of a process's own interpreter, where its environment may keep tools. */
export function foldersOf(argv: readonly string[], executable: string): string[] {
  const folders: string[] = [];
  for (const path of [argv[0] ?? '', executable]) {
    if (path.startsWith('/')) folders.push(dirname(path));
  }
  return folders;
}

/** The file that a path ends at after all links; the path itself where that cannot be told. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

export interface Ran {
  readonly code: number;
  /** Standard output and standard error, each up to 1 MB. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a short command to its end. Never throws: a program that cannot be started has code 127. */
export function runTool(path: string, argv: readonly string[], timeoutMs = 3000): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(path, [...argv], { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 1 << 20, encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', PAGER: 'cat' } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : child.exitCode ?? 127, stdout, stderr });
    });
    child.stdin?.end();
  });
}

const versions = new Map<string, Promise<string>>();

/** First version number that `PATH --version` prints, '' where it prints none; asked once for each state of the file. */
export function versionOf(path: string): Promise<string> {
  let changed = 0;
  try {
    changed = statSync(path).mtimeMs;
  } catch {
    // Asked once all the same.
  }
  const key = `${path}:${changed}`;
  let version = versions.get(key);
  if (version === undefined) {
    version = runTool(path, ['--version'], 2000).then((ran) => (ran.code === 0 ? /\d+\.\d+(?:\.[\w-]+)*/.exec(ran.stdout + ran.stderr)?.[0] ?? '' : ''));
    versions.set(key, version);
  }
  return version;
}
