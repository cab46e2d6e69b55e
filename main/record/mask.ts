// A recording is shown, kept and sent. Values that look like secrets never enter it: they are masked before anything is written.

const MASK = '***';
// `tokenizer` and `max-tokens` are no secrets, `author` is none either.
const NAME = /pass(word|wd|phrase)?$|passw|secret|token$|token[-_](?!iz)|api[-_]?key|access[-_]?key|private[-_]?key|credential|bearer|auth(?!or)|authoriz|cookie|session[-_]?(id|key)|signature|\bpat$|\bpwd$|(^|_)key$/i;
// Keys whose form gives them away: AWS, GitHub, GitLab, Hugging Face, OpenAI and the like, Slack, Google, JWT, PEM.
const VALUE = /\b(AKIA[0-9A-Z]{12,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g;
const USERINFO = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi;

const HEADER = /\b((?:proxy-)?authorization|set-cookie|cookie|x-[\w-]*(?:key|token))\s*:\s*(?!")[^"'\r\n]+/gi;
// JSON, and Python's dictionaries and keyword arguments: `{'token': b'x'}`, `dict(token='x')`.
const FIELD = /(["'])([\w.-]+)\1(\s*:\s*)([bru]{0,2}"(?:[^"\\]|\\.)*"|[bru]{0,2}'(?:[^'\\]|\\.)*'|[\w.+-]+)/gi;
const PAIR = /(?<![\w.-])(-{0,2}[A-Za-z_][\w.-]*)(=|\s?=\s?(?=[bru]{0,2}["']))([bru]{0,2}"(?:[^"\\]|\\.)*"|[bru]{0,2}'(?:[^'\\]|\\.)*'|[^\s"'&;,]+)/gi;

/** Whether a variable or option of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return NAME.test(name);
}

/**
 * A text with the secrets in it masked that show by their form or by the name before them: keys of well-known makers,
 * passwords in URLs, headers, `"TOKEN": "..."` in JSON and Python, `TOKEN=...` and `--token ...` within one string.
 */
export function maskText(text: string): string {
  return text.replace(VALUE, MASK).replace(USERINFO, `$1:${MASK}@`).replace(HEADER, `$1: ${MASK}`)
    .replace(FIELD, (whole, quote: string, name: string, middle: string) => (isSecretName(name) ? `${quote}${name}${quote}${middle}${quote}${MASK}${quote}` : whole))
    .replace(PAIR, (whole, name: string, between: string, value: string) => (isSecretName(name) && value !== MASK ? `${name}${between}${MASK}` : whole));
}

/** A command line that is one string already (a process title, the tables' column): words are told apart by spaces. */
export function maskCommand(command: string): string {
  return maskText(command).replace(/(^|\s)(--?[a-zA-Z][\w-]*)(\s+)([^\s-]\S*)/g, (whole, before: string, name: string, space: string) => (isSecretName(name) ? `${before}${name}${space}${MASK}` : whole));
}

/** An argument list as it may be written down: `--token X`, `--token=X`, `TOKEN=X`, keys and passwords in URLs are masked. */
export function maskArguments(argv: readonly string[]): string[] {
  let next = false;
  return argv.map((argument) => {
    if (next && !argument.startsWith('-')) {
      next = false;
      return MASK;
    }
    next = false;
    if (/^\s*[{[]/.test(argument)) return maskText(argument);
    const pair = /^(-{0,2}[\w.-]+)=([\s\S]*)$/.exec(argument);
    if (pair !== null) return isSecretName(pair[1]) && pair[2] !== '' ? `${pair[1]}=${MASK}` : `${pair[1]}=${maskText(pair[2])}`;
    if (/^--?[a-z][\w-]*$/i.test(argument) && isSecretName(argument)) next = true;
    const header = /^((?:proxy-)?authorization|cookie|x-[\w-]*(?:key|token)):\s*\S/i.exec(argument);
    return header === null ? maskText(argument) : `${header[1]}: ${MASK}`;
  });
}

/** Variables as they may be written down. */
export function maskEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, isSecretName(name) && value !== '' ? MASK : maskText(value)]));
}
