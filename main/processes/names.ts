// What a process is called, and whether it only starts others.
import { basename } from 'node:path';
import type { Runtime } from '#core/protocol/api';

/** Options of an interpreter that take the next word as their value. */
const PYTHON_VALUES = new Set(['-W', '-X', '--check-hash-based-pycs']);
const NODE_VALUES = new Set(['-r', '--require', '--import', '--loader', '--experimental-loader', '-C', '--conditions', '--env-file', '--title']);
const JAVA_VALUES = new Set(['-cp', '-classpath', '--class-path', '-p', '--module-path', '--add-modules', '--add-opens', '--add-exports', '--upgrade-module-path']);

/**
 * Short name of a process: the script or module for an interpreter, else the program.
 * `comm` stands in where argv is empty (kernel threads, zombies).
 */
export function nameOf(argv: readonly string[], comm: string, runtime: Runtime, executable: string): string {
  if (argv.length === 0) return comm;
  const program = programOf(argv, executable);
  switch (runtime) {
    case 'python':
      return isInterpreter(program, /^(python|pypy)/) ? pythonName(argv, program) : ownTitle(argv, program);
    case 'node':
      return isInterpreter(program, /^(node|nodejs)$/) ? scriptAfter(argv, NODE_VALUES, /^(-e|--eval|-p|--print|-pe)$/) ?? program : ownTitle(argv, program);
    case 'java':
      return javaName(argv, program);
    case 'rust': case 'native': case 'unknown': case 'kernel':
      return SHELLS.has(program) ? scriptAfter(argv, new Set(['-o', '-O', '--rcfile', '--init-file']), /^-[a-z]*c$/) ?? program : ownTitle(argv, program);
  }
}

function isInterpreter(program: string, pattern: RegExp): boolean {
  return pattern.test(program);
}

/** argv[0] without its folder and a login shell's dash. */
function programOf(argv: readonly string[], executable: string): string {
  const first = argv[0] === '' ? executable : argv[0];
  return basename(first.split(' ')[0]).replace(/^-/, '').replace(/:$/, '');
}

/** Programs that write their own title (`nginx: worker process`) are called by it. */
function ownTitle(argv: readonly string[], program: string): string {
  return argv.length === 1 && /^[\w.-]+: /.test(argv[0]) ? argv[0].slice(0, 60) : program;
}

function pythonName(argv: readonly string[], program: string): string {
  for (let i = 1; i < argv.length; i++) {
    const word = argv[i];
    if (word === '-m') return argv[i + 1] ?? program;
    if (/^-[A-Za-z]*c$/.test(word) && !word.startsWith('--')) {
      const code = argv[i + 1] ?? '';
      const helper = /multiprocessing\.(\w+) import/.exec(code);
      return helper === null ? `${program} -c` : `multiprocessing.${helper[1]}`;
    }
    if (PYTHON_VALUES.has(word)) i++;
    else if (!word.startsWith('-')) return basename(word);
    else if (word === '-') return program;
  }
  return program;
}

/** The first word that is no option; null for code on the command line or a bare interpreter. */
function scriptAfter(argv: readonly string[], values: ReadonlySet<string>, code: RegExp): string | null {
  for (let i = 1; i < argv.length; i++) {
    // A script read from a descriptor (/dev/fd/3, process substitution) has no name.
    if (code.test(argv[i]) || argv[i].startsWith('/dev/')) return null;
    if (values.has(argv[i])) i++;
    else if (!argv[i].startsWith('-') && argv[i] !== '') return basename(argv[i]);
  }
  return null;
}

function javaName(argv: readonly string[], program: string): string {
  for (let i = 1; i < argv.length; i++) {
    const word = argv[i];
    if (word === '-jar' || word === '-m' || word === '--module') return basename(argv[i + 1] ?? program);
    if (JAVA_VALUES.has(word)) i++;
    else if (!word.startsWith('-') && !word.startsWith('@')) return word.slice(word.lastIndexOf('.') + 1);
  }
  return program;
}

export const SHELLS: ReadonlySet<string> = new Set(['sh', 'bash', 'dash', 'zsh', 'fish', 'ksh', 'tcsh', 'csh', 'ash']);

/** Programs that start others and wait, by name of the program, script or module. */
const LAUNCHERS = new Set([
  ...SHELLS,
  // ranks of a distributed run
  'torchrun', 'torch.distributed.run', 'torch.distributed.launch', 'torch.distributed.elastic', 'accelerate', 'accelerate.commands.launch', 'deepspeed', 'deepspeed.launcher.launch',
  'launch.py', 'mpirun', 'mpiexec', 'mpiexec.hydra', 'hydra_pmi_proxy', 'orterun', 'orted', 'prterun', 'prted', 'srun', 'slurmstepd', 'horovodrun', 'colossalai',
  // build and task runners
  'make', 'gmake', 'ninja', 'cmake', 'ctest', 'bazel', 'cargo', 'npm', 'npx', 'yarn', 'pnpm', 'npm-cli.js', 'npx-cli.js', 'yarn.js', 'pnpm.cjs', 'uv', 'uvx', 'poetry', 'pipenv', 'conda', 'mamba', 'tox', 'nox', 'hatch',
  // wrappers of one command
  'sudo', 'su', 'doas', 'env', 'nohup', 'setsid', 'timeout', 'time', 'nice', 'ionice', 'taskset', 'numactl', 'script', 'strace', 'ltrace', 'gdb', 'gdbserver', 'valgrind', 'perf', 'py-spy', 'xargs', 'parallel', 'watch', 'chroot', 'unshare', 'nsenter', 'runuser', 'setpriv', 'stdbuf',
  // process managers, sessions, containers
  'init', 'systemd', 'tini', 'dumb-init', 'catatonit', 'docker-init', 's6-svscan', 's6-supervise', 'runsvdir', 'runsv', 'supervisord', 'circusd', 'pm2', 'PM2', 'foreman', 'honcho', 'forever', 'nodemon', 'watchfiles', 'watchmedo', 'containerd-shim', 'containerd-shim-runc-v2', 'conmon', 'dockerd', 'containerd', 'docker', 'podman', 'crond', 'cron', 'atd', 'login', 'sshd', 'tmux', 'screen', 'agetty', 'entr',
]);

/** Whether a process of this name only starts others and waits for them. */
export function isLauncher(name: string, argv: readonly string[], executable: string): boolean {
  const program = argv.length === 0 ? '' : programOf(argv, executable);
  if (LAUNCHERS.has(name)) return true;
  // `tmux: server`, `sshd: user`, `PM2 v5: God Daemon`
  if (/^(tmux|sshd|screen|PM2)\b/i.test(argv[0] ?? '')) return true;
  return LAUNCHERS.has(program) || (name === 'ray' || name === 'raylet') || program === 'raylet';
}

/** Programs whose first process starts more of the same name and serves nothing itself. */
export const FORKING_MASTERS: ReadonlySet<string> = new Set(['gunicorn', 'uwsgi', 'nginx', 'apache2', 'httpd', 'php-fpm', 'celery', 'puma', 'unicorn', 'postgres', 'postmaster']);
