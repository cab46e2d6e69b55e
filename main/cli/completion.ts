import type { Arguments } from './arguments.ts';
import { COMMANDS } from './commands.ts';
import type { CliIo } from './io.ts';
import { print, UsageError } from './io.ts';

const NAMED = COMMANDS.filter((command) => command.name !== '');

/** A script for a shell, made from the table of commands. */
export async function completion(args: Arguments, io: CliIo): Promise<number> {
  const shell = args.positionals[0];
  if (args.positionals.length !== 1) throw new UsageError('for which shell? bash, zsh or fish');
  if (shell === 'bash') await print(io.stdout, bash());
  else if (shell === 'zsh') await print(io.stdout, zsh());
  else if (shell === 'fish') await print(io.stdout, fish());
  else throw new UsageError(`there is no completion for ${shell}: bash, zsh or fish`);
  return 0;
}

function bash(): string {
  const cases = NAMED.map((command) => {
    const flags = [...command.options.map((option) => `--${option.name}`), '--help'].join(' ');
    const values = command.options.filter((option) => option.choices !== undefined)
      .map((option) => `      --${option.name}) COMPREPLY=($(compgen -W "${option.choices?.join(' ')}" -- "$word")); return;;`);
    const words = command.arguments === undefined ? '' : ` ${command.arguments.join(' ')}`;
    return `    ${command.name})\n      case "$previous" in\n${[...values, '      esac'].join('\n')}\n      words="${flags}${words}";;`;
  });
  return `# bash completion of flamebench
_flamebench() {
  local word="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${NAMED.map((command) => command.name).join(' ')} --help --version" -- "$word") $(compgen -f -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  if [[ "$word" == -* || -z "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$word"))
  else COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word")); fi
}
complete -o filenames -F _flamebench flamebench
`;
}

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

function zsh(): string {
  // In an option's line `:` and brackets divide; in its text they are written with a backslash.
  const plain = (text: string) => text.replace(/[[\]:]/g, '\\$&');
  const cases = NAMED.map((command) => {
    const lines = command.options.map((option) => {
      const value = option.value === undefined ? '' : `:${option.value}:${option.choices === undefined ? '_files' : `(${option.choices.join(' ')})`}`;
      return `        ${quoted(`${option.short === undefined ? '' : `(-${option.short} --${option.name})`}--${option.name}[${plain(option.help)}]${value}`)}`;
    });
    const rest = command.arguments === undefined ? "'*:file:_files'" : quoted(`1:what:(${command.arguments.join(' ')})`);
    return `      ${command.name}) _arguments \\\n${[...lines, "        '--help[this text]'", `        ${rest}`].join(' \\\n')} ;;`;
  });
  return `#compdef flamebench
_flamebench() {
  local -a commands
  commands=(${NAMED.map((command) => quoted(`${command.name}:${plain(command.summary)}`)).join(' ')})
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    _files
  else
    local command="$words[2]"
    shift words
    (( CURRENT-- ))
    case "$command" in
${cases.join('\n')}
    esac
  fi
}
if [ "$funcstack[1]" = _flamebench ]; then _flamebench "$@"; else compdef _flamebench flamebench; fi
`;
}

function fish(): string {
  const lines = ['# fish completion of flamebench'];
  for (const command of NAMED) {
    lines.push(`complete -c flamebench -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`);
    const when = `-n '__fish_seen_subcommand_from ${command.name}'`;
    for (const option of command.options) {
      const value = option.value === undefined ? '' : option.choices === undefined ? ' -r' : ` -x -a ${quoted(option.choices.join(' '))}`;
      lines.push(`complete -c flamebench ${when} -l ${option.name}${option.short === undefined ? '' : ` -s ${option.short}`}${value} -d ${quoted(option.help)}`);
    }
    if (command.arguments !== undefined) lines.push(`complete -c flamebench ${when} -f -a ${quoted(command.arguments.join(' '))}`);
  }
  lines.push("complete -c flamebench -l help -d 'help'", "complete -c flamebench -n __fish_use_subcommand -l version -d 'version'", '');
  return lines.join('\n');
}
