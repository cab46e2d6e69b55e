/** What a person is told when something failed: what happened (with numbers and place) and what to do about it. */
export class UserError extends Error {
  readonly code: string;
  /** One thing to do, as a sentence; empty where there is none. */
  readonly hint: string;
  /** A shell command that fixes it, when there is exactly one. */
  readonly command: string;

  constructor(code: string, message: string, help: { hint?: string; command?: string; cause?: unknown } = {}) {
    super(message, help.cause === undefined ? undefined : { cause: help.cause });
    this.name = 'UserError';
    this.code = code;
    this.hint = help.hint ?? '';
    this.command = help.command ?? '';
  }
}

/** Ends an exhaustive switch: a new case that is not handled does not compile. */
export function assertNever(value: never): never {
  throw new Error(`unhandled case: ${JSON.stringify(value)}`);
}

/** States an invariant of our own code. Never used on input from outside: that gets a UserError. */
export function ensure(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${what}`);
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
