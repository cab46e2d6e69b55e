import { UserError } from '#core/errors';

/**
 * Splits a command line into words as a shell does: blanks part words, '...' is literal, "..." is literal but for
 * \\ \" \$ \`, a backslash takes the next character as it is, and a # at a word's start begins a comment.
 * Nothing is expanded: no shell runs the command, so $HOME, *, |, ; and > are refused where a shell would act on them,
 * instead of being passed on as text that surprises.
 * Throws UserError with the column (from 1).
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let begun = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (c === ' ' || c === '\t' || c === '\n') {
      if (begun) words.push(word);
      word = '';
      begun = false;
    } else if (c === "'") {
      const end = line.indexOf("'", i + 1);
      if (end < 0) throw new UserError('shell-words', `the quote ' at column ${i + 1} is not closed`);
      word += line.slice(i + 1, end);
      begun = true;
      i = end;
    } else if (c === '"') {
      const start = i;
      for (i++; line[i] !== '"'; i++) {
        if (i >= line.length) throw new UserError('shell-words', `the quote " at column ${start + 1} is not closed`);
        if (line[i] === '\\' && '\\"$`'.includes(line[i + 1] ?? '\0')) i++;
        else refuseExpansion(line, i);
        word += line[i];
      }
      begun = true;
    } else if (c === '\\') {
      if (i + 1 === line.length) throw new UserError('shell-words', 'the command ends in a backslash');
      word += line[++i];
      begun = true;
    } else if (c === '#' && !begun) {
      break;
    } else {
      if ('|&;<>()'.includes(c)) throw new UserError('shell-words', `"${c}" at column ${i + 1} needs a shell, and none runs the command`, { hint: `Quote it, or write bash -c '...'.` });
      if ('*?'.includes(c)) throw new UserError('shell-words', `"${c}" at column ${i + 1} would be expanded by a shell, and none runs the command`, { hint: 'Quote it, or write the names out.' });
      refuseExpansion(line, i);
      word += c;
      begun = true;
    }
  }
  if (begun) words.push(word);
  return words;
}

function refuseExpansion(line: string, i: number): void {
  const c = line[i];
  const expands = c === '`' || (c === '$' && /[\w{(?!@*#$-]/.test(line[i + 1] ?? ''));
  if (expands) {
    throw new UserError('shell-words', `"${c}" at column ${i + 1} would be expanded by a shell, and none runs the command`, {
      hint: `Put it in single quotes, or write bash -c '...'.`,
    });
  }
}

/** Words that assign a variable before the command (`A=1 python x.py`) are its environment, as in a shell. */
export function takeAssignments(words: readonly string[]): { environment: Record<string, string>; argv: string[] } {
  const environment: Record<string, string> = {};
  let i = 0;
  for (; i < words.length; i++) {
    const match = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(words[i]);
    if (match === null) break;
    environment[match[1]] = match[2];
  }
  return { environment, argv: words.slice(i) };
}

/** A command line that `splitWords` splits into these words again, for showing. */
export function joinWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ');
}
