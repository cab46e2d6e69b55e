// The one table of commands: parsing, help and completion come from it. What a command does is loaded when it is run.
import type { Arguments, OptionRow } from './arguments.ts';
import type { CliIo } from './io.ts';

export interface Command {
  /** '' for the workbench itself. */
  readonly name: string;
  readonly summary: string;
  /** What follows the name. */
  readonly usage: string;
  readonly options: readonly OptionRow[];
  readonly examples: readonly string[];
  /** Values of the first argument, where it is one of a few. */
  readonly arguments?: readonly string[];
  /** Everything after `--` is a command to run. */
  readonly takesCommand?: boolean;
  /** Said at the end of its help. */
  readonly notes?: string;
  run(args: Arguments, io: CliIo): Promise<number>;
}

const JSON_OPTION: OptionRow = { name: 'json', help: 'one JSON object on standard output (resources/schema/)' };
const FORCE: OptionRow = { name: 'force', help: 'replace a file that exists' };

const VIEW_OPTIONS: readonly OptionRow[] = [
  { name: 'lane', value: 'L', help: 'a lane: cpu, off-cpu, memory, or its name (info lists them)' },
  { name: 'process', value: 'P', help: 'a process: its pid or a part of its name' },
  { name: 'rank', value: 'R', help: 'a rank of a distributed run' },
  { name: 'thread', value: 'T', help: 'a thread: its tid or a part of its name' },
  { name: 'moment', value: 'WHAT', help: 'of held memory: held at the end, at its peak, or what has grown in the range', choices: ['held', 'grown', 'peak'] },
  { name: 'from', value: 'S', help: 'from this second of the recording' },
  { name: 'to', value: 'S', help: 'up to this second of the recording' },
  { name: 'search', value: 'RE', help: 'functions whose name matches a regular expression' },
  { name: 'view', value: 'JSON', help: 'a view as the window copies it, or @FILE that holds it' },
];

const TOGETHER = 'Traces of the PyTorch profiler of several ranks are read together, on one clock.';

const LANES = ['cpu', 'off-cpu', 'memory', 'cuda'] as const;

export const COMMANDS: readonly Command[] = [
  {
    name: '', summary: 'open the workbench', usage: '[FILE...]', options: [],
    examples: ['flamebench', 'flamebench run.flamebench perf.data'],
    notes: 'Traces of the PyTorch profiler of several ranks open as one profile.\nOpens in Electron; where that cannot start, in the browser host, with one line that gives its URL.',
    run: async (args, io) => (await import('./serve.ts')).workbench(args, io),
  },
  {
    name: 'serve', summary: 'the workbench in a browser, on 127.0.0.1', usage: '[FILE...]',
    options: [
      { name: 'port', value: 'N', help: 'port; 0 takes a free one (default: 4774, or a free one)' },
      { name: 'detach', help: 'run on after this command and the terminal have ended' },
      { name: 'stop', help: 'end the server that runs' },
      JSON_OPTION,
    ],
    examples: ['flamebench serve', 'flamebench serve --detach --json run.flamebench', 'ssh -L 4774:127.0.0.1:4774 gpu-machine flamebench serve'],
    run: async (args, io) => (await import('./serve.ts')).serveCommand(args, io),
  },
  {
    name: 'ps', summary: 'processes that can be profiled', usage: '', options: [JSON_OPTION], examples: ['flamebench ps', "flamebench ps --json | jq '.processes[].pid'"],
    run: async (args, io) => (await import('./ps.ts')).ps(args, io),
  },
  {
    name: 'doctor', summary: 'what each profiler can do here, and the command that changes what it cannot', usage: '',
    options: [{ name: 'pid', value: 'PID', help: 'ask for this process' }, JSON_OPTION], examples: ['flamebench doctor', 'flamebench doctor --pid 1234'],
    run: async (args, io) => (await import('./doctor.ts')).doctor(args, io),
  },
  {
    name: 'record', summary: 'record processes, or a command from its start', usage: '(--pid PID[,PID...] | -- CMD ARG...)', takesCommand: true,
    options: [
      { name: 'pid', value: 'PID', help: 'processes to attach to, with their children' },
      { name: 'lanes', value: 'LANES', help: 'what to record (default: cpu)', choices: LANES, list: true },
      { name: 'profiler', value: 'NAMES', help: 'which profilers (default: all that are ready; doctor lists them): perf, py-spy, python-helper' },
      { name: 'no-children', help: 'leave out the children of the processes' },
      { name: 'rate', value: 'HZ', help: 'samples a second of each thread (default: 99)' },
      { name: 'stacks', value: 'HOW', help: 'how perf takes stacks: auto, fp (frame pointers), dwarf (copied)', choices: ['auto', 'fp', 'dwarf'] },
      { name: 'memory', value: 'DEPTH', help: 'light: page faults, mmap and brk; full: every allocation, where a profiler can (default: light)', choices: ['light', 'full'] },
      { name: 'max-cost', value: 'PCT', help: 'lower the rate when profiling costs the target more (default: 5; 0 never does)' },
      { name: 'marks', value: 'FILE', help: 'file or FIFO with a line a step (default: what $FLAMEBENCH_MARKS names)' },
      { name: 'accept-risk', value: 'NAMES', help: 'profilers whose risk for a running target is accepted (doctor --pid says which)' },
      { name: 'duration', value: 'S', help: 'stop after this many seconds' },
      { name: 'title', value: 'T', help: 'what the recording is called' },
      { name: 'output', short: 'o', value: 'FILE', help: 'save as this file, - for standard output (default: into the library)' },
      { name: 'with-raw', help: 'keep the raw streams in the file: they hold copied stack memory' },
      { name: 'strict', help: 'a profiler that fails makes the exit code 125' },
      FORCE, JSON_OPTION,
    ],
    examples: ['flamebench record --pid 1234 --duration 10 -o run.flamebench', 'flamebench record -- python train.py --epochs 1', 'flamebench record --lanes cpu,off-cpu,memory --pid 1234'],
    notes: 'The command keeps its terminal, its input and its exit code. With --pid, Ctrl-C stops the recording and keeps it.\nExit codes with a command: its own; 125 we failed, 126 it cannot be executed, 127 it was not found, 128+N signal N ended it.',
    run: async (args, io) => (await import('./record.ts')).record(args, io),
  },
  {
    name: 'convert', summary: 'write a profile as another file or as a picture', usage: 'IN... -o OUT',
    options: [
      { name: 'output', short: 'o', value: 'OUT', help: 'its ending chooses: .folded .svg .png .speedscope.json .flamebench; - for standard output' },
      { name: 'format', value: 'NAME', help: 'the format, whatever OUT ends in', choices: ['folded', 'svg', 'png', 'speedscope', 'flamebench'] },
      { name: 'invert', help: 'leaves first' },
      { name: 'title', value: 'T', help: 'title of a picture' },
      { name: 'subtitle', value: 'T', help: 'line under the title' },
      { name: 'width', value: 'N', help: 'width of a picture (default: 1920)' },
      { name: 'height', value: 'N', help: 'height of a picture (default: 1080)' },
      { name: 'scale', value: 'N', help: 'pixels a unit, 1 to 4 (default: 2)' },
      { name: 'theme', value: 'NAME', help: 'light, dark or clear', choices: ['light', 'dark', 'clear'] },
      { name: 'no-legend', help: 'leave the legend out' },
      { name: 'no-caption', help: 'leave the line at the foot out' },
      { name: 'text', value: 'N', help: 'size of the labels (default: 22)' },
      { name: 'depth', value: 'N', help: 'at most N rows of boxes (default: 14)' },
      { name: 'picture', value: 'JSON', help: 'a picture\'s options as the window copies them, callouts too, or @FILE that holds them' },
      { name: 'with-raw', help: 'keep the raw streams in a .flamebench file: they hold copied stack memory' },
      FORCE, ...VIEW_OPTIONS,
    ],
    examples: ['perf script | flamebench convert - -o perf.folded', 'flamebench convert run.flamebench -o slide.png --title "Loading is half of a step"', 'flamebench convert run.flamebench -o main.folded --thread MainThread --from 2 --to 5'],
    notes: `perf script text to .folded without a view gives what stackcollapse-perf.pl gives, line for line.\nSeveral inputs become one profile. ${TOGETHER}`,
    run: async (args, io) => (await import('./convert.ts')).convert(args, io),
  },
  {
    name: 'top', summary: 'functions by the time they take', usage: 'FILE...',
    options: [
      { name: 'by', value: 'WHAT', help: 'self (its own) or total (with callees); default: self', choices: ['self', 'total'] },
      { name: 'limit', value: 'N', help: 'at most N functions (default: 30, all with --json)' },
      JSON_OPTION, ...VIEW_OPTIONS,
    ],
    examples: ['flamebench top run.flamebench', 'flamebench top perf.data --by total --limit 10 --json'],
    notes: TOGETHER,
    run: async (args, io) => (await import('./top.ts')).top(args, io),
  },
  {
    name: 'info', summary: 'what a file holds', usage: 'FILE...', options: [JSON_OPTION],
    examples: ['flamebench info run.flamebench', 'flamebench info perf.data --json', 'flamebench info rank*.json.gz'],
    notes: TOGETHER,
    run: async (args, io) => (await import('./info.ts')).info(args, io),
  },
  {
    name: 'completion', summary: 'completion for a shell', usage: 'bash|zsh|fish', options: [], arguments: ['bash', 'zsh', 'fish'],
    examples: ['source <(flamebench completion bash)', 'flamebench completion fish > ~/.config/fish/completions/flamebench.fish'],
    run: async (args, io) => (await import('./completion.ts')).completion(args, io),
  },
];
