import type { OptionRow } from './arguments.ts';
import type { Command } from './commands.ts';

const HELP: OptionRow = { name: 'help', short: 'h', help: 'this text' };

function optionLines(options: readonly OptionRow[]): string {
  const names = options.map((option) => `${option.short === undefined ? '    ' : `-${option.short}, `}--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`);
  const width = Math.max(...names.map((name) => name.length));
  return options.map((option, i) => `  ${names[i].padEnd(width)}  ${option.help}${option.list === true && option.choices !== undefined ? `; with commas: ${option.choices.join(',')}` : ''}`).join('\n');
}

/** The help of one command. */
export function commandHelp(command: Command): string {
  const name = command.name === '' ? 'flamebench' : `flamebench ${command.name}`;
  const parts = [
    `${name}: ${command.summary}`,
    `Usage: ${[name, command.usage, command.options.length > 0 ? '[OPTIONS]' : ''].filter((part) => part !== '').join(' ')}`,
    `Options:\n${optionLines([...command.options, HELP])}`,
    ...(command.notes === undefined ? [] : [command.notes]),
    `Examples:\n${command.examples.map((example) => `  ${example}`).join('\n')}`,
  ];
  return `${parts.join('\n\n')}\n`;
}

/** The help of the whole. */
export function generalHelp(commands: readonly Command[], version: string): string {
  const rows = commands.map((command) => [`flamebench ${command.name === '' ? command.usage : command.name}`, command.summary]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `Flamebench ${version}: live flame graphs of running programs, recordings and slides`, '',
    ...rows.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`), '',
    'Results go to standard output, messages to standard error; - is standard input or output.',
    'Exit codes: 0 done, 1 the work failed, 2 wrong usage. flamebench COMMAND --help says more; flamebench --version.', '',
  ].join('\n');
}
