// What perf says when it fails, and what that means here.
import { UserError } from '#core/errors';
import type { SystemFacts } from './system.ts';
import { refusedRemedy } from './system.ts';

export type PerfFailureKind = 'vanished' | 'memory' | 'option' | 'event' | 'permission' | 'seccomp' | 'files' | 'killed' | 'other';

export interface PerfFailure {
  readonly kind: PerfFailureKind;
  /** The option that this perf does not know, without dashes. */
  readonly option: string;
  /** It may have written the beginning of a stream before it failed. */
  readonly wrote: boolean;
  readonly error: UserError;
}

/** Lines of a terminal as plain text: no colours, no carriage returns, no empty lines. */
export function plainLines(output: string): string[] {
  return output.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').split(/[\r\n]+/).map((line) => line.trim()).filter((line) => line !== '');
}

/** Sorts the end of a perf that did not start or that died. `code` and `signal` are those of its terminal. */
export function perfFailure(output: string, code: number | null, signal: number | null, pids: readonly number[], system: SystemFacts): PerfFailure {
  const lines = plainLines(output);
  const text = lines.join('\n');
  const who = pids.length === 1 ? `process ${pids[0]}` : `${pids.length} processes`;
  const fail = (kind: PerfFailureKind, message: string, help: { hint?: string; command?: string } = {}, option = '', wrote = false): PerfFailure => ({
    kind, option, wrote, error: new UserError(`perf-${kind}`, message, help),
  });
  if (signal !== null) {
    const name = signal === 9 ? 'SIGKILL; the system may have run out of memory' : `signal ${signal}`;
    return fail('killed', `perf was ended by ${name}.`);
  }
  // perf takes the refusal of everything for a kernel that lacks something.
  if (/failed (?:with unexpected|unexpectedly with) error (?:1|38)\b/.test(text) || (system.seccomp && /does not support recording context switch|returned with 38\b/.test(text))) {
    const remedy = refusedRemedy(system);
    return fail('seccomp', remedy.text, { hint: remedy.hint, command: remedy.command });
  }
  if (/does not support recording context switch/.test(text)) return fail('option', 'This kernel does not tell of switches.', {}, 'switch-events');
  const unknown = /unknown option [`'"]?-*([\w-]+)/i.exec(text);
  if (unknown !== null) return fail('option', `This perf does not know the option --${unknown[1]}.`, { hint: 'Install a newer perf.' }, unknown[1]);
  if (code === 244 || /No such process|Couldn't create thread\/CPU maps/i.test(text)) {
    return fail('vanished', pids.length === 1 ? `Process ${pids[0]} has ended.` : 'One of the processes ended while perf attached.');
  }
  if (/Permission error mapping pages|mmap.*(?:EPERM|Operation not permitted)|Cannot allocate memory/i.test(text)) {
    return fail('memory', 'perf may not lock enough memory for its buffers (perf_event_mlock_kb).', {
      hint: 'Another perf of yours may hold the share; end it, or raise the limit.', command: 'sudo sysctl -w kernel.perf_event_mlock_kb=8192',
    });
  }
  if (/Too many (?:events are opened|open files)|EMFILE/i.test(text)) {
    return fail('files', `perf needs more open files than are allowed here (${system.files}).`, { hint: 'Choose fewer processes, or raise the limit of open files.', command: 'ulimit -n 20000' });
  }
  if (/Access to performance monitoring|No permission to enable|Operation not permitted|Permission denied|perf_event_paranoid|EACCES|EPERM/i.test(text)) {
    if (system.container !== '') {
      const remedy = refusedRemedy(system);
      return fail('permission', `perf may not look at ${who} in this container.`, { hint: remedy.hint, command: remedy.command });
    }
    return fail('permission', `perf may not look at ${who} (perf_event_paranoid is ${system.paranoid ?? 'unknown'}).`, {
      hint: 'Allow it until the next restart.', command: 'sudo sysctl -w kernel.perf_event_paranoid=1',
    });
  }
  if (/event syntax error|not supported|No such device|ENODEV|EOPNOTSUPP|ENOENT/i.test(text)) {
    return fail('event', `perf cannot count this event here: ${firstOf(lines)}`);
  }
  // Threads that end while perf describes them make it give up without a word, its stream begun.
  if (lines.length === 0) return fail('vanished', `perf could not attach to ${who}: it ended with exit code ${code ?? 'unknown'} and without a message, as it does where threads end faster than it can describe them.`, {
    hint: 'A command that is launched from here is followed from its first thread on.',
  }, '', true);
  return fail('other', `perf ended with exit code ${code ?? 'unknown'}: ${firstOf(lines)}`, {}, '', true);
}

/** The line that says most: an error if there is one, never the report of what was written. */
function firstOf(lines: readonly string[]): string {
  const useful = lines.filter((line) => !/^\[ perf record:|^Warning|^WARNING|^Error:?$/.test(line));
  return (useful[0] ?? lines[0] ?? '').slice(0, 300);
}
