// What the tests need beyond npm: Chromium, perf, py-spy, a C compiler, xz. Installed when we are root without a terminal
// (CI, a container), asked for on a terminal, otherwise named in one line each with the command.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { findTool } from '../../main/profilers/find-tool.ts';

interface Need {
  readonly what: string;
  readonly without: string;
  readonly found: () => boolean;
  readonly install: readonly string[];
}

const onPath = (name: string) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status === 0;
const debian = existsSync('/etc/debian_version');
const apt = (name: string) => ['apt-get', 'install', '-y', '-qq', '--no-install-recommends', name];

const NEEDS: readonly Need[] = [
  { what: 'Chromium', without: 'the end-to-end tests', found: () => onPath('chromium'), install: apt('chromium') },
  { what: 'perf', without: 'every test that records with perf', found: () => onPath('perf'), install: apt('linux-perf') },
  { what: 'gcc', without: 'tests on compiled programs', found: () => onPath('gcc'), install: apt('gcc') },
  { what: 'xz', without: 'tests on packed recordings', found: () => onPath('xz'), install: apt('xz-utils') },
  { what: 'a Python with pip', without: 'every test on Python programs', found: () => onPath('python3') && spawnSync('python3', ['-m', 'pip', '--version']).status === 0, install: apt('python3-pip') },
  { what: 'py-spy', without: 'every test that records with py-spy', found: () => findTool('py-spy') !== null, install: ['python3', '-m', 'pip', 'install', '--quiet', '--root-user-action=ignore', ...(spawnSync('python3', ['-c', 'import os,sysconfig,sys; sys.exit(0 if os.path.exists(os.path.join(sysconfig.get_path("stdlib"),"EXTERNALLY-MANAGED")) else 1)']).status === 0 ? ['--break-system-packages'] : []), 'py-spy'] },
];

/** Makes sure of the tools as far as this machine lets us; prints one line for each that stays missing. */
export async function setUpTools(): Promise<void> {
  const missing = NEEDS.filter((need) => !need.found());
  if (missing.length === 0) return;
  const root = process.getuid?.() === 0;
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true && !process.env.CI;
  let install = root && !terminal && debian;
  if (!install && terminal && debian) {
    const ask = createInterface({ input: process.stdin, output: process.stdout });
    const names = missing.map((need) => need.what).join(', ');
    install = /^y/i.test(await ask.question(`The tests need ${names}. Install them now${root ? '' : ' with sudo'}? [y/N] `));
    ask.close();
  }
  if (install) {
    const sudo = root ? [] : ['sudo'];
    if (missing.some((need) => need.install[0] === 'apt-get')) run([...sudo, 'apt-get', 'update', '-qq']);
    for (const need of missing) if (!need.found()) run([...(need.install[0] === 'apt-get' ? sudo : []), ...need.install]);
  }
  for (const need of NEEDS.filter((each) => !each.found())) {
    console.log(`not here: ${need.what}; ${need.without} will not run. To change it: ${root ? '' : 'sudo '}${need.install.join(' ')}`);
  }
}

function run(argv: readonly string[]): void {
  console.log(`$ ${argv.join(' ')}`);
  const result = spawnSync(argv[0], argv.slice(1), { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  if (result.status !== 0) console.log(`that ended with exit code ${result.status ?? result.error?.message}`);
}
