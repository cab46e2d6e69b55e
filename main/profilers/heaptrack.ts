// heaptrack: every allocation of a program that we launch, live. Its library in the program writes to a FIFO; heaptrack_interpret reads that and writes
// names and numbers; a relay hands them to our reader.
//
// The program writes with every few allocations, so nothing may happen to whoever reads: a reader that dies would kill it by SIGPIPE, one that waits
// would stop it. Interpreter and relay therefore have a session of their own, end by themselves when the program does, and need none of us: when our
// reader goes, by a stop or a crash, the interpreter ends and the relay throws away what comes.
//
// The program's shell decides when it is let go: only where a reader stands is the library put before it. So a launch never hangs.
import { accessSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { basename, join } from 'node:path';
import { UserError } from '#core/errors';
import { isAlive } from '../processes/identity.ts';
import { argvOf, readProc, statOf } from '../processes/proc.ts';
import { delay, makeFifos } from './control.ts';
import { findTool } from './find-tool.ts';
import { checkHeaptrack, heaptrackRisk, runningTarget } from './heaptrack-check.ts';
import type { HeaptrackTool } from './heaptrack-tool.ts';
import { findHeaptrack, heaptrackInstall } from './heaptrack-tool.ts';
import type { Profiler, Run, Running, Watched } from './profiler.ts';
import { readSystem } from './system.ts';

/** How long the reader may take to stand. */
const STAND_MS = 5000;
/** A launched program that has not loaded the library by then never will. */
const SILENT_MS = 3000;
const LOOK_MS = 100;
/** How long gdb may take to get in or out. */
const GDB_MS = 30_000;
/** How long the last bytes of a target that has ended may take: interpreting may be behind. */
const LAST_MS = 5000;

// Arguments come as "$@": nothing is ever put into the shell's text. The program's own LD_PRELOAD stays. The library takes itself out of the environment
// of what the first program starts or becomes; so that this is the interpreter and not `env` or pyenv's shim, those are looked through: a script with
// `#!/usr/bin/env NAME` is run by NAME, and a shim becomes what it stands for, with PATH as pyenv sets it.
const PRELOAD = `
ready=$1 library=$2 fifo=$3
shift 3
if [ -e "$ready" ]; then
  for step in 1 2 3; do
    path=$(command -v -- "$1" 2>/dev/null) || break
    case $path in
      /*/shims/*)
        real=
        [ ! -x "\${path%/shims/*}/bin/pyenv" ] || real=$("\${path%/shims/*}/bin/pyenv" which "\${path##*/}" 2>/dev/null)
        [ -x "$real" ] || break
        shift
        set -- "$real" "$@"
        PATH=\${real%/*}:$PATH
        export PATH ;;
      */*)
        [ "$(head -c 2 -- "$path" 2>/dev/null)" = '#!' ] || break
        first=
        IFS= read -r first <"$path" || :
        case $first in
          '#!'*/env\\ *[!A-Za-z0-9._+-]* | '#!'*/env\\ ) break ;;
          '#!'*/bin/env\\ [A-Za-z]*)
            shift
            set -- "\${first##*/env }" "$path" "$@" ;;
          *) break ;;
        esac ;;
      *) break ;;
    esac
  done
  LD_PRELOAD="$library\${LD_PRELOAD:+:$LD_PRELOAD}" DUMP_HEAPTRACK_OUTPUT=$fifo
  export LD_PRELOAD DUMP_HEAPTRACK_OUTPUT
fi
exec "$@"
`;

// fd 3 is our FIFO, 4 the program's, which this shell itself never lets go: whatever happens to those behind it, the program has a reader. Who waits
// for a program that ends without a word is ended by the loop at the top. Our pseudo-terminals come with us (they are not closed on exec) and would
// outlive us here, so that a crash of ours would not hang up the program: they are closed first, which takes bash. Ending the first `cat` ends the interpreter, which then writes all it has.
const RELAY = `
if [ -n "$BASH_VERSION" ]; then for f in /proc/$$/fd/*; do f=\${f##*/}; [ "$f" -le 2 ] || eval "exec $f>&-"; done; fi
exec 3>"$OUT"
( while [ ! -e "$STATE/opened" ] && kill -0 "$TARGET" 2>/dev/null; do sleep 1; done; [ -e "$STATE/opened" ] || kill -9 $$ ) 3>&- &
: >"$STATE/ready"
exec 4<"$STATE/fifo"
: >"$STATE/opened"
printf '# started %s\\n' "$(date +%s%N)" >&3
sh -c 'echo $$ >"$0"; exec cat' "$STATE/relay" <&4 3>&- 4<&- |
  sh -c 'echo $$ >"$0"; exec "$@"' "$STATE/interpreter" "$@" 2>"$STATE/log" 3>&- 4<&- |
  {
    # The command line may hold secrets, and these bytes go with the recording: its line stays empty.
    n=0
    while [ $n -lt 20 ] && IFS= read -r line; do
      case $line in
        X*) printf 'X \\n' ;;
        I*) printf '%s\\n' "$line"; break ;;
        [vA]*) printf '%s\\n' "$line" ;;
      esac
      n=$((n + 1))
    done
    exec cat
  } >&3 4<&- &
p=$!
exec 3>&-
wait $p
exec cat <&4 >/dev/null
`;

export const heaptrack: Profiler = {
  id: 'heaptrack',
  lanes: ['memory'],
  full: true,
  risk: heaptrackRisk,
  launch: async (_options, scratch) => {
    const tool = await installed();
    const folder = await makeState(scratch);
    return { environment: {}, before: ['sh', '-c', PRELOAD, 'sh', join(folder, 'ready'), tool.preload, join(folder, 'fifo')] };
  },
  check: checkHeaptrack,
  start: async (run) => {
    const watched = run.watched[0];
    if (watched === undefined) throw new UserError('process-ended', 'There is no process to look at.');
    const tool = await installed();
    if (run.target.kind === 'attach') {
      const refusal = (await checkHeaptrack(run.target)).find((check) => check.state === 'no' || check.state === 'fix');
      if (refusal !== undefined) throw new UserError('heaptrack-attach', refusal.text, { command: refusal.command });
      await makeState(run.scratch);
    }
    const session = await Session.open(run, tool, watched);
    if (run.target.kind === 'attach') await session.attach();
    return session;
  },
};

async function installed(): Promise<HeaptrackTool> {
  const tool = await findHeaptrack();
  if (tool === null) throw new UserError('not-installed', 'heaptrack is not installed.', { command: heaptrackInstall(readSystem()) });
  return tool;
}

/** The folder in which program, relay and we meet. */
async function makeState(scratch: string): Promise<string> {
  const folder = join(scratch, 'heaptrack');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await makeFifos([join(folder, 'fifo')]);
  return folder;
}

class Session implements Running {
  readonly goesOn = true;
  readonly done: Promise<{ readonly error: string }>;
  readonly #run: Run;
  readonly #tool: HeaptrackTool;
  readonly #watched: Watched;
  readonly #folder: string;
  readonly #name: string;
  /** Leader of the relay's session. */
  readonly #relay: number;
  readonly #streamDone: Promise<void>;
  readonly #timer: NodeJS.Timeout;
  readonly #began = performance.now();
  #wentAt = 0;
  #stopping = false;
  #attached = false;
  #costed = false;
  #finish: (error: string) => void = () => undefined;

  private constructor(run: Run, tool: HeaptrackTool, watched: Watched, relay: number, streamDone: Promise<void>) {
    this.#run = run;
    this.#tool = tool;
    this.#watched = watched;
    this.#relay = relay;
    this.#folder = join(run.scratch, 'heaptrack');
    this.#name = run.target.kind === 'launch' ? basename(run.target.argv[0]) : `process ${watched.pid}`;
    this.#streamDone = streamDone;
    this.done = new Promise((resolve) => { this.#finish = (error) => resolve({ error }); });
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    void streamDone.then(() => this.#ended());
  }

  /** Resolves when the program may be let go. */
  static async open(run: Run, tool: HeaptrackTool, watched: Watched): Promise<Session> {
    const folder = join(run.scratch, 'heaptrack');
    if (!exists(join(folder, 'fifo'))) throw new UserError('heaptrack-late', 'heaptrack has to be there when the program starts.', { hint: 'Record it again with memory in full.' });
    const { profilers } = run.options;
    const stream = await run.fifo({
      decoder: 'heaptrack', id: 'heaptrack', title: `heaptrack ${tool.version}`.trim(), watched: [watched.pid], directory: run.directory,
      source: `heaptrack ${tool.version}, every allocation`.replace(' ,', ','), name: run.target.kind === 'launch' ? basename(run.target.argv[0]) : '',
      beside: profilers.length === 0 || profilers.includes('perf'), wall: Date.now() * 1e6 - run.now(), rateHz: 0,
    });
    const child = spawn(findTool('bash') ?? 'sh', ['-c', RELAY, 'sh', tool.interpret], {
      detached: true, stdio: 'ignore', cwd: '/', env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', OUT: stream.path, STATE: folder, TARGET: String(watched.pid) },
    });
    const failed = new Promise<Error>((resolve) => { child.once('error', resolve); });
    child.unref();
    const until = performance.now() + STAND_MS;
    while (!exists(join(folder, 'ready'))) {
      const error = await Promise.race([failed, delay(5)]);
      if (error instanceof Error || performance.now() > until || child.exitCode !== null) {
        if (child.pid !== undefined) kill(-child.pid, 'SIGKILL');
        throw new UserError('heaptrack', `heaptrack's interpreter could not be started${error instanceof Error ? `: ${error.message}` : ''}.`);
      }
    }
    return new Session(run, tool, watched, child.pid ?? 0, stream.done);
  }

  /** Puts heaptrack into a program that runs. */
  async attach(): Promise<void> {
    const fifo = join(this.#folder, 'fifo');
    const failure = await this.#gdb([
      'sharedlibrary libc.so', `call (void) dlmopen(0x0, "${cString(this.#tool.inject)}", 0x2)`, 'sharedlibrary libheaptrack_inject', `call (void) heaptrack_inject("${cString(fifo)}")`,
    ]);
    const until = performance.now() + STAND_MS;
    while (failure === '' && !this.#opened && performance.now() < until) await delay(20);
    if (this.#opened) {
      this.#attached = true;
      return;
    }
    rmSync(join(this.#folder, 'ready'), { force: true });
    this.#end();
    throw new UserError('heaptrack-attach', isAlive(this.#watched) ? `gdb could not put heaptrack into process ${this.#watched.pid}${failure === '' ? '' : `: ${failure}`}.` : `Process ${this.#watched.pid} ended when gdb put heaptrack into it.`);
  }

  /** Nothing is left out while other profilers pause. */
  async pause(): Promise<void> {
    await Promise.resolve();
  }

  async resume(): Promise<void> {
    await Promise.resolve();
  }

  async stop(): Promise<void> {
    if (this.#stopping) return void (await this.#streamDone);
    this.#stopping = true;
    // A program that was not let go yet runs without us.
    rmSync(join(this.#folder, 'ready'), { force: true });
    if (!isAlive(this.#watched)) {
      if (this.#opened) await this.#drain();
      this.#end();
    } else if (this.#opened) {
      const failure = this.#attached ? await this.#gdb(['sharedlibrary libheaptrack_inject', 'call (void) heaptrack_stop()']) : '';
      if (failure !== '') this.#run.notice({ id: 'heaptrack-stop', level: 'warn', text: `gdb could not take heaptrack out of process ${this.#watched.pid} (${failure}): what it allocates is thrown away until it ends.`, command: '' });
      if (this.#attached && failure === '') await Promise.race([this.#streamDone, delay(LAST_MS)]);
      else if (!this.#attached) this.#run.notice({ id: 'heaptrack-stays', level: 'info', text: `heaptrack stays in ${this.#name} until it ends, and slows its allocations as before; what it says is thrown away.`, command: '' });
      // What has come is interpreted to its end; the relay's shell reads on.
      kill(this.#number('relay'), 'SIGTERM');
      await Promise.race([this.#streamDone, delay(LAST_MS)]);
    }
    // A program that has not opened its FIFO yet may still do so: its reader waits as long as it lives.
    this.#close('');
  }

  get #opened(): boolean {
    return exists(join(this.#folder, 'opened'));
  }

  /**
   * The program has ended: what it wrote is interpreted to its end. Children that it forked may hold its FIFO open for longer; so
   * it is over too when nothing is read and nothing worked on any more.
   */
  async #drain(): Promise<void> {
    const ended = this.#streamDone.then(() => true);
    let before = '';
    let still = 0;
    for (const until = performance.now() + LAST_MS; performance.now() < until && still < 3;) {
      if (await Promise.race([ended, delay(LOOK_MS).then(() => false)])) return;
      const work = `${/^rchar: (\d+)/m.exec(readProc(`/proc/${this.#number('relay')}/io`) ?? '')?.[1] ?? ''} ${statOf(this.#number('interpreter'))?.ticks ?? ''}`;
      still = work === before ? still + 1 : 0;
      before = work;
    }
    kill(this.#number('relay'), 'SIGTERM');
    await Promise.race([this.#streamDone, delay(LAST_MS / 2)]);
  }

  /** Ends interpreter and relay; only when the program is gone, or has never met them. */
  #end(): void {
    kill(-this.#relay, 'SIGKILL');
  }

  #look(): void {
    if (this.#opened) {
      if (!this.#costed) {
        const interpreter = this.#number('interpreter');
        if (interpreter > 0) this.#run.cost(interpreter);
        this.#costed = interpreter > 0;
      }
      this.#run.unnotice('heaptrack-silent');
      return;
    }
    if (!isAlive(this.#watched)) {
      // Nobody will ever write: the stream has its end when its writer has.
      this.#end();
      return;
    }
    if (this.#run.target.kind === 'attach') return;
    if (this.#wentAt === 0 && this.#hasGone()) this.#wentAt = performance.now();
    if (this.#wentAt > 0 && performance.now() - this.#wentAt > SILENT_MS) {
      this.#wentAt = Infinity;
      this.#run.notice({ id: 'heaptrack-silent', level: 'warn', text: this.#unseen(), command: '' });
    }
  }

  /** Whether the launched shell has become the program. */
  #hasGone(): boolean {
    return !argvOf(this.#watched.pid).includes(join(this.#folder, 'ready')) && statOf(this.#watched.pid)?.state !== 'T';
  }

  #unseen(): string {
    return `heaptrack sees nothing of ${this.#name}: it was not loaded into it. Programs that are linked statically cannot be looked into.`;
  }

  #ended(): void {
    if (this.#stopping) return this.#close('');
    // The stream may end before /proc says so.
    setTimeout(() => {
      if (!this.#opened) this.#close(this.#run.target.kind === 'launch' && performance.now() - this.#began > SILENT_MS ? this.#unseen() : '');
      else this.#close(isAlive(this.#watched) ? `heaptrack's interpreter has ended early${this.#said()}. The program runs on; what it allocates is not seen any more.` : '');
    }, LOOK_MS);
  }

  #close(error: string): void {
    clearInterval(this.#timer);
    this.#run.unnotice('heaptrack-silent');
    this.#finish(error);
  }

  /** What the interpreter printed last, apart from its statistics. */
  #said(): string {
    try {
      const line = readFileSync(join(this.#folder, 'log'), 'utf8').split('\n').map((one) => one.trim()).filter((one) => one !== '' && !/^(heaptrack stats:|allocations:|leaked allocations:|temporary allocations:)/.test(one)).at(-1);
      return line === undefined ? '' : `: ${line.slice(0, 200)}`;
    } catch {
      return '';
    }
  }

  #number(file: string): number {
    try {
      return Number(readFileSync(join(this.#folder, file), 'utf8').trim()) || 0;
    } catch {
      return 0;
    }
  }

  /** Runs gdb on the target; '' when it did what it was told, else why not. The relay reads the program meanwhile: a program that cannot write would hold gdb. */
  async #gdb(commands: readonly string[]): Promise<string> {
    const gdb = findTool('gdb');
    if (gdb === null) return 'gdb is not installed';
    const target = runningTarget(this.#watched);
    if (target.ended) return `process ${this.#watched.pid} has ended`;
    const terminal = this.#run.pty('gdb for heaptrack', [
      gdb, '--batch', '-n', '-iex', 'set auto-solib-add off', '-iex', 'set debuginfod enabled off', '-iex', 'set pagination off', '-p', String(this.#watched.pid),
      ...commands.flatMap((command) => ['-ex', command]), '-ex', 'detach',
    ], { DEBUGINFOD_URLS: '', LC_ALL: 'C' });
    let text = '';
    terminal.onOutput((piece) => { text = (text + piece).slice(-8000); });
    const end = await Promise.race([terminal.done, delay(GDB_MS).then(() => null)]);
    if (end === null) {
      terminal.kill('SIGKILL');
      return `it took more than ${GDB_MS / 1000} s`;
    }
    const bad = /^.*(?:No symbol "|Couldn't get|ptrace: |Operation not permitted|The program being debugged|Program received signal|Error in re-setting|'dl\w+' has unknown).*$/m.exec(text)?.[0];
    if (bad !== undefined) return bad.trim().slice(0, 200);
    return end.code === 0 ? '' : `it ended with ${end.code ?? `signal ${end.signal}`}`;
  }
}

/** Text inside a C string of gdb. */
function cString(text: string): string {
  return text.replace(/[\\"]/g, '\\$&');
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  if (pid === 0 || pid === -0) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended: what was wanted of it has happened.
  }
}
