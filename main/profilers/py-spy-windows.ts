// One shell in one pseudo-terminal that starts py-spy again and again. A pseudo-terminal for each window would open two
// terminals a second and fill them with the same five lines; so each window's messages go to a file, and what matters is
// said once. The shell is also what the cost meter looks at: it collects the CPU time of every window that ended.
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '#core/errors';
import type { Run, Terminal } from './profiler.ts';
import { Control, delay } from './control.ts';

// Arguments come as "$@" and values by lines and environment: nothing is ever put into the shell's text.
// A window runs in a subshell that reports its pid and its end. SIGINT is ignored in a shell's background, but py-spy
// sets its own handler.
const SCRIPT = `
exec 3<>"$COMMANDS" 4<>"$ANSWERS"
while IFS=' ' read -r word number rest <&3; do
  case $word in
    start)
      ( "$@" -r "$rest" -o "$FOLDER/$number.out" >"$FOLDER/$number.log" 2>&1 3<&- 4>&- & p=$!
        echo "started $number $p" >&4; wait $p; echo "ended $number $?" >&4 ) &
      eval "job$number=\\$!" ;;
    reap) eval "wait \\$job$number" ;;
    say) printf 'py-spy> %s %s\\n' "$number" "$rest" ;;
    quit) exit 0 ;;
  esac
done
`;

export interface Window {
  readonly number: number;
  readonly pid: number;
  /** Monotonic ns: what py-spy's own times count from. */
  readonly start: number;
  readonly rate: number;
  /** Exit status, null while it runs. */
  status: number | null;
  readonly ended: Promise<void>;
}

export interface WindowResult {
  readonly bytes: Uint8Array;
  readonly status: number;
  /** What py-spy printed. */
  readonly log: string;
  /** Monotonic ns. */
  readonly end: number;
}

export class PySpyShell {
  readonly terminal: Terminal;
  #run: Run;
  #control: Control;
  #folder: string;
  #next = 0;
  #ends = new Map<number, (status: number) => void>();
  /** True when the shell is gone: no window can start. */
  gone = false;

  private constructor(run: Run, control: Control, terminal: Terminal) {
    this.#run = run;
    this.#control = control;
    this.terminal = terminal;
    this.#folder = run.scratch;
    control.onLine((line) => {
      const match = /^ended (\d+) (\d+)$/.exec(line);
      if (match !== null) this.#ends.get(Number(match[1]))?.(Number(match[2]));
    });
    void terminal.done.then(() => {
      this.gone = true;
      for (const end of this.#ends.values()) end(129);
    });
  }

  /** `argv` is py-spy's, without rate and output. `name` tells two shells of a run apart. */
  static async open(run: Run, name: string, argv: readonly string[]): Promise<PySpyShell> {
    const control = await Control.open(run.scratch, name);
    const terminal = run.pty('py-spy', ['sh', '-c', SCRIPT, 'sh', ...argv], {
      COMMANDS: control.commands, ANSWERS: control.answers, FOLDER: join(run.scratch, name), RUST_BACKTRACE: '0', RUST_LIB_BACKTRACE: '0',
    });
    run.cost(terminal.pid);
    const shell = new PySpyShell(run, control, terminal);
    shell.#folder = join(run.scratch, name);
    return shell;
  }

  /** Starts a window. Throws UserError when the shell does not answer. */
  async start(rate: number): Promise<Window> {
    const number = this.#next++;
    let ended: () => void = () => {};
    const end = new Promise<void>((resolve) => { ended = resolve; });
    const state: { status: number | null } = { status: null };
    this.#ends.set(number, (status) => {
      state.status ??= status;
      this.#ends.delete(number);
      ended();
    });
    const answer = this.#control.next((line) => line.startsWith(`started ${number} `), 10_000);
    this.#control.send(`start ${number} ${rate}`);
    const line = this.gone ? null : await Promise.race([answer, this.terminal.done.then(() => null)]);
    if (line === null) throw new UserError('py-spy-shell', 'py-spy could not be started: its shell has ended.');
    const start = this.#run.now();
    return Object.assign(state, { number, pid: Number(line.split(' ')[2]), start, rate, ended: end });
  }

  /** Resolves when a window samples, ended, or `timeoutMs` passed. py-spy prints its first line when it has attached. */
  async sampling(window: Window, timeoutMs: number): Promise<boolean> {
    const until = this.#run.now() + timeoutMs * 1e6;
    while (this.#run.now() < until && window.status === null) {
      if ((await this.log(window)).includes('Sampling process')) return true;
      await delay(5);
    }
    return false;
  }

  async log(window: Window): Promise<string> {
    return await readFile(join(this.#folder, `${window.number}.log`), 'utf8').catch(() => '');
  }

  /** Ends a window and takes what it wrote. A py-spy that does not end within 5 s is killed and its window lost. */
  async finish(window: Window): Promise<WindowResult> {
    const end = this.#run.now();
    if (window.status === null) {
      signal(window.pid, 'SIGINT');
      const inTime = await Promise.race([window.ended.then(() => true), delay(5000).then(() => false)]);
      if (!inTime) {
        signal(window.pid, 'SIGKILL');
        await Promise.race([window.ended, delay(1000)]);
      }
    }
    const base = `${this.#folder}/${window.number}`;
    const log = await this.log(window);
    const there = await stat(`${base}.out`).then((facts) => facts.size > 0, () => false);
    const bytes = there ? await readFile(`${base}.out`) : new Uint8Array(0);
    await rm(`${base}.out`, { force: true });
    await rm(`${base}.log`, { force: true });
    this.#control.send(`reap ${window.number}`);
    return { bytes, status: window.status ?? 137, log, end };
  }

  /** Prints a line in the terminal. */
  say(text: string): void {
    this.#control.send(`say ${text.replace(/[\r\n]+/g, ' ')}`);
  }

  async close(): Promise<void> {
    this.#control.send('quit');
    const inTime = await Promise.race([this.terminal.done.then(() => true), delay(2000).then(() => false)]);
    if (!inTime) {
      this.terminal.kill('SIGKILL');
      await Promise.race([this.terminal.done, delay(1000)]);
    }
    this.#control.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended meanwhile.
  }
}
