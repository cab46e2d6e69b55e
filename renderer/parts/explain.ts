import { UserError, messageOf } from '#core/errors';

/** Anything that was thrown, as an error for people. `code` names the place where it was caught. */
export function userError(thrown: unknown, code: string): UserError {
  return thrown instanceof UserError ? thrown : new UserError(code, messageOf(thrown));
}

/** An error as sentences: what happened, then what to do. */
export function explain(error: UserError): string {
  return [error.message, error.hint].filter((part) => part !== '').map(sentence).join(' ');
}

function sentence(text: string): string {
  // A file's or a program's name keeps its letters: only a plain word begins a sentence with a capital.
  const first = /^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?:]$/.test(first) ? first : `${first}.`;
}
