import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../main/cli/commands.ts';
import { sharedData } from '../../core/read/shared-data.ts';
import { BIN, ended, flamebench, inside, scratch, start } from './run.ts';
import { schema, violations } from './schema.ts';

const here = scratch();
afterAll(() => here.remove());

const PERF = ['train 10/11 [003] 1.0: 250 cpu-clock: ', '\tff leaf+0x1 (/lib/x.so)', '\tfe main (/bin/train)', '', 'train 10/12 [003] 2.0: 750 cpu-clock: ', '\tfe main (/bin/train)', '', 'train 10/12 [003] 2.5: 9 faults: ', '\tfe main (/bin/train)', ''].join('\n');
writeFileSync(here.file('perf.txt'), PERF);
writeFileSync(here.file('a.folded'), 'main;work;inner 3\nmain;work 1\nmain;read 4\n');
writeFileSync(here.file('empty'), '');
writeFileSync(here.file('garbage'), Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256)));
writeFileSync(here.file('cut.json'), '{"$schema":"https://www.speedscope.app/file-format-schema.json","shared":{"frames":[{"na');
mkdirSync(here.file('folder'));

describe('help, version, completion', () => {
  test('every command has its help', async () => {
    const general = await inside(['--help']);
    expect([general.code, general.err]).toEqual([0, '']);
    for (const command of COMMANDS) {
      if (command.name === '') continue;
      expect(general.out).toContain(`flamebench ${command.name}`);
      const { code, out } = await inside([command.name, '--help']);
      expect(code).toBe(0);
      for (const option of command.options) expect(out).toContain(`--${option.name}`);
    }
    expect((await inside(['--version'])).out).toMatch(/^flamebench \d+\.\d+\.\d+\n$/);
  });
  test('completion: scripts that their shells take', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { code, out } = await inside(['completion', shell]);
      expect(code).toBe(0);
      expect(out).toContain('--duration'.slice(shell === 'fish' ? 2 : 0));
      const checked = spawnSync(shell, ['-n'], { input: out, encoding: 'utf8' });
      if (checked.error !== undefined) console.log(`${shell} is not here: its script was not checked`);
      else expect(checked.stderr).toBe('');
    }
    writeFileSync(here.file('completion.bash'), (await inside(['completion', 'bash'])).out);
    const complete = (line: string) => execFileSync('bash', ['-c', `source '${here.file('completion.bash')}'; COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _flamebench; echo "\${COMPREPLY[@]}"`], { encoding: 'utf8' }).trim();
    expect(complete('flamebench rec')).toBe('record');
    expect(complete('flamebench top --by s')).toBe('self');
    expect(complete('flamebench convert --wid')).toBe('--width');
  });
});

describe('wrong usage is 2, with one line', () => {
  test.each([
    [['--nonsense'], /unknown option --nonsense/], [['top'], /which file/], [['top', 'x', '--by', 'size'], /self, total/],
    [['top', 'x', '--limit', '0'], /--limit 0/], [['top', 'x', '--limit', 'many'], /no number/], [['convert', 'x'], /-o OUT is missing/],
    [['convert', 'x', '-o', 'y.html'], /\.html cannot be written yet.*\.folded/], [['convert', 'x', '-o', 'y.xyz'], /its ending chooses/], [['convert', 'x', '-o'], /--output needs a value/],
    [['convert', 'x', '-o', 'y.png', '--scale', '9'], /at most 4/], [['convert', 'x', '-o', 'y.png', '--theme', 'pink'], /light, dark/],
    [['top', 'x', '--from', '3', '--to', '2'], /not after/], [['top', 'x', '--view', '{'], /--view is neither/], [['top', 'x', '--view', '{"view":"pie"}'], /--view: view/],
    [['record'], /what is to be recorded/], [['record', '--rate', '0', '--pid', '1'], /--rate 0/], [['record', '--pid', 'abc'], /no process id/],
    [['record', 'sleep', '1'], /stands after --/], [['record', '--'], /no command after --/], [['record', '--lanes', 'dreams', '--pid', '1'], /cpu, off-cpu/],
    [['record', '--duration', '0', '--pid', '1'], /more than 0/], [['serve', '--port', '99999'], /at most 65535/], [['completion'], /bash, zsh or fish/], [['tpo'], /did you mean (ps or )?top/],
  ])('%j', async (args, message) => {
    const { code, out, err } = await inside(args);
    expect(err).toMatch(message);
    expect(err).toMatch(/^flamebench: [^\n]*\n$/);
    expect([code, out]).toEqual([2, '']);
  });
});

describe('work that fails is 1, with one line that says what and where', () => {
  test.each([
    ['missing', /there is no file .*missing/], ['folder', /is a directory/], ['empty', /is empty/], ['garbage', /garbage is .* in no format/],
    ['cut.json', /breaks off or is damaged at character \d+/],
  ])('%s', async (name, message) => {
    for (const args of [['top', here.file(name)], ['info', here.file(name), '--json'], ['convert', here.file(name), '-o', here.file('never.folded')]]) {
      const { code, out, err } = await inside(args);
      expect(err).toMatch(message);
      expect(err).toMatch(/^flamebench: [^\n]*\n$/);
      expect([code, out]).toEqual([1, '']);
    }
    expect(existsSync(here.file('never.folded'))).toBe(false);
  });
  test('xz, an unknown lane, an unknown thread, no such process', async () => {
    writeFileSync(here.file('x.xz'), Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]));
    expect((await inside(['top', here.file('x.xz')])).err).toMatch(/xz.*xz -dk/);
    expect((await inside(['top', here.file('perf.txt'), '--lane', 'cuda'])).err).toMatch(/no lane "cuda".*It has: cpu \(cpu-clock\)/);
    expect((await inside(['top', here.file('perf.txt'), '--thread', '99'])).err).toMatch(/no thread "99".*train \(11\)/);
    const gone = await inside(['record', '--pid', '4194303', '-o', here.file('r.flamebench')]);
    expect([gone.code, gone.err]).toEqual([1, expect.stringMatching(/no process 4194303/)]);
  });
});

describe('convert', () => {
  test('perf script text to folded is what stackcollapse-perf.pl gives', async () => {
    const golden = sharedData('others/perf-script/mojo/out.perf.collapsed.txt');
    const input = sharedData('others/perf-script/mojo/out.perf');
    if (golden === null || input === null) return;
    for (const [name, bytes] of [['p.txt', input], ['p.txt.gz', gzipSync(input)], ['p.txt.zst', zstdCompressSync(input)]] as const) {
      writeFileSync(here.file(name), bytes);
      const { code, err } = await inside(['convert', here.file(name), '-o', here.file(`${name}.folded`)]);
      expect([code, err]).toEqual([0, '']);
      expect(readFileSync(here.file(`${name}.folded`))).toEqual(Buffer.from(golden));
    }
    const piped = await inside(['convert', '-', '-o', '-'], { stdin: input });
    expect(piped.bytes).toEqual(Buffer.from(golden));
  });
  test('a text cut in the middle keeps what came before', async () => {
    const { code, out } = await inside(['convert', '-', '-o', '-'], { stdin: PERF.slice(0, PERF.indexOf('750') + 20) });
    expect([code, out]).toEqual([0, 'train 750\ntrain;main;leaf 250\n']);
  });
  test('other events are said to be left out; --lane folds them', async () => {
    const first = await inside(['convert', here.file('perf.txt'), '-o', '-']);
    expect(first.out).toBe('train;main 750\ntrain;main;leaf 250\n');
    expect(first.err).toMatch(/1 samples of other events/);
    expect((await inside(['convert', here.file('perf.txt'), '-o', '-', '--lane', 'faults'])).out).toBe('train;main 9\n');
    expect((await inside(['convert', here.file('perf.txt'), '-o', '-', '--thread', '11', '--invert'])).out).toBe('leaf;main;train 250\n');
    expect((await inside(['convert', here.file('perf.txt'), '-o', '-', '--from', '0.5', '--to', '1.2'])).out).toBe('train;main 750\n');
    writeFileSync(here.file('view.json'), JSON.stringify({ lane: { kind: 'faults', name: 'faults' } }));
    expect((await inside(['convert', here.file('perf.txt'), '-o', '-', '--view', `@${here.file('view.json')}`])).out).toBe('train;main 9\n');
  });
  test('an existing file is refused, --force replaces it; nothing half-made is left', async () => {
    writeFileSync(here.file('there.folded'), 'mine');
    const refused = await inside(['convert', here.file('a.folded'), '-o', here.file('there.folded')]);
    expect([refused.code, readFileSync(here.file('there.folded'), 'utf8')]).toEqual([1, 'mine']);
    expect(refused.err).toMatch(/exists.*--force/);
    const forced = await inside(['convert', here.file('a.folded'), '-o', here.file('there.folded'), '--force']);
    expect([forced.code, readFileSync(here.file('there.folded'), 'utf8')]).toEqual([0, 'main;read 4\nmain;work 1\nmain;work;inner 3\n']);
    expect((await inside(['convert', here.file('a.folded'), '-o', here.file('no/where.folded')])).err).toMatch(/no directory .*mkdir -p/);
    expect(readdirSync(here.path).filter((name) => name.startsWith('.'))).toEqual([]);
  });
  test('speedscope and .flamebench, and back', async () => {
    for (const name of ['a.speedscope.json', 'a.flamebench']) {
      const { code, err } = await inside(['convert', here.file('a.folded'), '-o', here.file(name)]);
      expect([code, err]).toEqual([0, '']);
      const back = await inside(['top', here.file(name), '--json', '--by', 'total']);
      const json = JSON.parse(back.out) as { total: number; rows: { function: string; total: number }[] };
      expect([json.total, ...json.rows.map((row) => `${row.function} ${row.total}`)]).toEqual([8, 'main 8', 'read 4', 'work 4', 'inner 3']);
    }
  });
  test('several inputs are one profile', async () => {
    const { code, out } = await inside(['convert', here.file('a.folded'), here.file('a.folded'), '-o', '-']);
    expect([code, out]).toEqual([0, 'main;read 8\nmain;work 2\nmain;work;inner 6\n']);
  });
  test('PNG: size and not blank', async () => {
    const { code, err } = await inside(['convert', here.file('a.folded'), '-o', here.file('a.png'), '--width', '960', '--height', '540', '--scale', '1', '--title', 'Reading is half']);
    expect([code, err]).toEqual([0, '']);
    const png = readFileSync(here.file('a.png'));
    expect([png.toString('latin1', 1, 4), png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual(['PNG', 960, 540]);
    expect(png.length).toBeGreaterThan(3000);
  });
  test('a picture takes every option that the window has, apart or as one value', async () => {
    const svg = async (...options: string[]) => {
      const { code, out, err } = await inside(['convert', here.file('a.folded'), '-o', '-', '--format', 'svg', ...options]);
      expect([code, err]).toEqual([0, '']);
      return out;
    };
    const value = { title: 'T', subtitle: 'S', legend: false, caption: false, text: 30, depth: 2, width: 800, height: 400, callouts: [{ path: [{ name: 'main', file: '', library: '' }, { name: 'work', file: '', library: '' }], title: 'Here', note: 'half' }] };
    const whole = await svg('--picture', JSON.stringify({ ...value, callouts: [] }));
    expect(await svg('--title', 'T', '--subtitle', 'S', '--no-legend', '--no-caption', '--text', '30', '--depth', '2', '--width', '800', '--height', '400')).toBe(whole);
    expect(await svg('--picture', JSON.stringify(value))).not.toBe(whole);
    writeFileSync(here.file('picture.json'), JSON.stringify(value));
    expect(await svg('--picture', `@${here.file('picture.json')}`)).toBe(await svg('--picture', JSON.stringify(value)));
    // What has an option of its own wins.
    expect(await svg('--picture', JSON.stringify({ ...value, callouts: [], title: 'other' }), '--title', 'T')).toBe(whole);
    for (const [text, message] of [['{', /neither JSON/], ['{"widht":1}', /--picture: widht/], ['{"text":1}', /--picture: text/]] as const) {
      expect(await inside(['convert', here.file('a.folded'), '-o', here.file('no.svg'), '--picture', text])).toMatchObject({ code: 2, err: expect.stringMatching(message) as string });
    }
  });
});

describe('results', () => {
  const commands: [string, string[]][] = [
    ['info', ['info', here.file('perf.txt'), '--json']], ['top', ['top', here.file('perf.txt'), '--json']], ['ps', ['ps', '--json']],
    ['doctor', ['doctor', '--json']], ['doctor', ['doctor', '--pid', String(process.pid), '--json']],
  ];
  test.each(commands)('%s --json keeps to its schema', async (name, args) => {
    const { code, out, err } = await inside(args);
    expect([code, err]).toEqual([0, '']);
    expect(violations(JSON.parse(out), schema(name))).toEqual([]);
  });
  test('the check itself finds faults', () => {
    expect(violations({ schema: 2, tool: 'x' }, schema('info')).length).toBeGreaterThan(5);
  });
  test('top: self, total, percent, search, limit', async () => {
    const { out } = await inside(['top', here.file('perf.txt'), '--json']);
    expect(JSON.parse(out)).toMatchObject({
      lane: 'cpu', unit: 'ns', total: 1000, samples: 2, seconds: 1.5,
      rows: [{ function: 'main', library: 'train', self: 750, total: 1000, selfPercent: 75, totalPercent: 100 }, { function: 'leaf', library: 'x.so', self: 250, total: 250, selfPercent: 25, totalPercent: 25 }],
    });
    expect((await inside(['top', here.file('a.folded'), '--by', 'total', '--limit', '1'])).out).toMatch(/100 %.*main\n\n3 more functions/);
    const found = JSON.parse((await inside(['top', here.file('a.folded'), '--search', '^(re|in)', '--json'])).out) as { rows: { function: string }[] };
    expect(found.rows.map((row) => row.function)).toEqual(['read', 'inner']);
  });
  test('without --lane the CPU comes first, whatever event the file begins with', async () => {
    writeFileSync(here.file('mixed.txt'), `a 1/1 1.0: 1 faults: \n\tff x (/b)\n\n${PERF}`);
    expect(JSON.parse((await inside(['top', here.file('mixed.txt'), '--json'])).out)).toMatchObject({ lane: 'cpu', total: 1000 });
    expect(JSON.parse((await inside(['top', here.file('mixed.txt'), '--json', '--lane', 'faults'])).out)).toMatchObject({ lane: 'faults', event: 'faults', total: 10 });
  });
  test('info says what was skipped', async () => {
    writeFileSync(here.file('bad.folded'), 'a;b 1\na;c 2\nno number\n');
    const { out } = await inside(['info', here.file('bad.folded'), '--json']);
    expect(JSON.parse(out)).toMatchObject({ format: 'folded', lanes: [{ kind: 'cpu', unit: 'count', samples: 3, total: 3, threads: 0 }], skipped: [{ what: 'lines without a stack and a number', count: 1 }] });
  });
  test('ps lists this process', async () => {
    const { processes } = JSON.parse((await inside(['ps', '--json'])).out) as { processes: { pid: number; command: string }[] };
    expect(processes.some((row) => row.pid === process.ppid)).toBe(true);
    expect((await inside(['ps'])).out).toMatch(/PID +PPID +USER/);
  });
});

test('a closed pipe is quiet', () => {
  const big = `${Array.from({ length: 30_000 }, (_, i) => `main;function_number_${i} ${i + 1}`).join('\n')}\n`;
  writeFileSync(here.file('big.folded'), big);
  const run = (args: string) => spawnSync('bash', ['-c', `set -o pipefail; '${process.execPath}' '${BIN}' ${args} | head -1`], { encoding: 'utf8' });
  for (const args of [`convert '${here.file('big.folded')}' -o -`, `top '${here.file('big.folded')}' --limit 30000`, `top '${here.file('big.folded')}' --json`]) {
    const { status, stdout, stderr } = run(args);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.trim()).not.toBe('');
  }
});

test('as a real process: exit codes and one line on standard error', async () => {
  const cases: [string[], number, RegExp, string?][] = [
    [['--nonsense'], 2, /unknown option/], [['record', '--rate', '0', '--pid', '1'], 2, /--rate 0/], [['top', here.file('missing')], 1, /no file/],
    [['top', here.file('folder')], 1, /directory/], [['info', here.file('garbage')], 1, /in no format/], [['convert', '-', '-o', '-'], 0, /^$/, 'a;b 1\n'],
  ];
  for (const [args, expected, message, stdin] of cases) {
    const { code, out, err } = await flamebench(args, { stdin: stdin ?? '' });
    expect(err).toMatch(message);
    expect([code, out]).toEqual([expected, stdin ?? '']);
  }
});

test('standard input that is closed at once', async () => {
  const { code, err } = await inside(['top', '-']);
  expect([code, err]).toEqual([1, 'flamebench: standard input is empty\n']);
});

test('an interrupted conversion leaves no file and no scratch folder', async () => {
  mkdirSync(here.file('tmp'));
  for (const args of [['convert', '-', '-o', here.file('stopped.folded')], ['top', '-']]) {
    const child = start(args, { env: { TMPDIR: here.file('tmp') } });
    const end = ended(child);
    child.stdin?.on('error', () => undefined);
    child.stdin?.write('a;b 1\n');
    if (args[0] === 'top') for (let i = 0; i < 200 && readdirSync(here.file('tmp')).length === 0; i++) await new Promise((next) => setTimeout(next, 50));
    else await new Promise((next) => setTimeout(next, 700));
    child.kill('SIGINT');
    const { code, signal } = await end;
    expect([130, 'SIGINT']).toContain(code ?? signal);
  }
  expect(existsSync(here.file('stopped.folded'))).toBe(false);
  expect(readdirSync(here.file('tmp'))).toEqual([]);
});

test('no command has an option twice', () => {
  for (const command of COMMANDS) {
    const names = command.options.map((option) => option.name);
    expect(new Set(names).size, command.name).toBe(names.length);
  }
});
