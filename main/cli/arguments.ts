// One table of options drives parsing, help and completion.
import { parseArgs } from 'node:util';
import { UsageError } from './io.ts';

export interface OptionRow {
  readonly name: string;
  readonly short?: string;
  /** What stands for the value in the help; absent for a switch. */
  readonly value?: string;
  readonly help: string;
  /** The values that there are, for checking and completion. */
  readonly choices?: readonly string[];
  /** The value is a list of choices with commas. */
  readonly list?: boolean;
}

export interface Arguments {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
  /** What follows `--`; null where there is none. */
  readonly rest: readonly string[] | null;
}

/** Throws UsageError. Where `takesCommand`, everything after `--` is kept apart and untouched. */
export function parse(argv: readonly string[], options: readonly OptionRow[], takesCommand: boolean): Arguments {
  const split = takesCommand ? argv.indexOf('--') : -1;
  const own = split < 0 ? argv : argv.slice(0, split);
  let parsed;
  try {
    parsed = parseArgs({
      args: [...own], allowPositionals: true, strict: true,
      options: Object.fromEntries(options.map((option) => [option.name, {
        type: option.value === undefined ? 'boolean' as const : 'string' as const, ...(option.short === undefined ? {} : { short: option.short }),
      }])),
    });
  } catch (error) {
    throw new UsageError(plain(error instanceof Error ? error.message : String(error)));
  }
  const values = parsed.values as Record<string, string | boolean | undefined>;
  for (const option of options) {
    const value = values[option.name];
    if (typeof value !== 'string' || option.choices === undefined) continue;
    for (const one of option.list === true ? value.split(',') : [value]) {
      if (!option.choices.includes(one)) throw new UsageError(`--${option.name} ${one}: it is one of ${option.choices.join(', ')}`);
    }
  }
  return { values, positionals: parsed.positionals, rest: split < 0 ? null : argv.slice(split + 1) };
}

// Node's own words go on about positional arguments that begin with a dash.
function plain(message: string): string {
  const unknown = /^Unknown option '([^']+)'/.exec(message);
  if (unknown !== null) return `unknown option ${unknown[1]}`;
  const missing = /^Option '(?:-\w, )?(--[\w-]+) <value>' argument (missing|is ambiguous)/.exec(message);
  if (missing !== null) return `${missing[1]} needs a value`;
  const extra = /^Option '(?:-\w, )?(--[\w-]+)' does not take an argument/.exec(message);
  if (extra !== null) return `${extra[1]} takes no value`;
  return message.split('\n')[0];
}

export function textOf(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === 'string' ? value : undefined;
}

export function isSet(args: Arguments, name: string): boolean {
  return args.values[name] === true;
}

/** A number option; undefined where it was not given. Throws UsageError for anything else. */
export function numberOf(args: Arguments, name: string, bounds: { readonly least?: number; readonly most?: number; readonly above?: number; readonly whole?: boolean } = {}): number | undefined {
  const text = textOf(args, name);
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? NaN : Number(text);
  if (!Number.isFinite(value)) throw new UsageError(`--${name} ${text}: it is no number`);
  if (bounds.whole === true && !Number.isInteger(value)) throw new UsageError(`--${name} ${text}: it is a whole number`);
  if (bounds.above !== undefined && !(value > bounds.above)) throw new UsageError(`--${name} ${text}: it is more than ${bounds.above}`);
  if (bounds.least !== undefined && value < bounds.least) throw new UsageError(`--${name} ${text}: it is at least ${bounds.least}`);
  if (bounds.most !== undefined && value > bounds.most) throw new UsageError(`--${name} ${text}: it is at most ${bounds.most}`);
  return value;
}
