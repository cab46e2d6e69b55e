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
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?:]$/.test(first) ? first : `${first}.`;
}
