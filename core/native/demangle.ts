import { demangleItanium } from './itanium.ts';
import { demangleRustV0 } from './rust-v0.ts';

export interface ReadableName {
  readonly name: string;
  readonly language: 'c++' | 'rust' | 'other';
}

/** Symbols longer than this are shown as they are. */
const LENGTH_LIMIT = 64 * 1024;

/** What to show for a symbol: demangled where its scheme is known and it is well-formed, else as it stands. `verbose` as in demangleItanium. */
export function readableName(symbol: string, verbose = false): ReadableName {
  // Symbol versions (memcpy@@GLIBC_2.14) say nothing about a function.
  const at = symbol.indexOf('@');
  const plain = at > 0 ? symbol.slice(0, at) : symbol;
  if (plain.length > LENGTH_LIMIT) return { name: plain, language: 'other' };
  if (plain.startsWith('_R') || plain.startsWith('__R')) {
    const rust = demangleRustV0(plain);
    if (rust !== null) return { name: rust, language: 'rust' };
  }
  if (plain.startsWith('_Z') || plain.startsWith('__Z')) {
    const rust = demangleRustLegacy(plain);
    if (rust !== null) return { name: rust, language: 'rust' };
    const name = demangleItanium(plain, verbose);
    if (name !== null) return { name, language: 'c++' };
  }
  return { name: plain, language: 'other' };
}

const ESCAPES: Readonly<Record<string, string>> = {
  SP: '@', BP: '*', RF: '&', LT: '<', GT: '>', LP: '(', RP: ')', C: ',',
};

/**
 * Names of rustc's legacy scheme: `_ZN`, parts with their lengths, a last part of `h` and 16 hex digits (the hash, which is
 * left out), `E`. null for anything else.
 */
export function demangleRustLegacy(symbol: string): string | null {
  const match = /^_?_ZN(.+?)17h([0-9a-f]{16})E(?:\.llvm\.[0-9A-F@]+)?((?:\.[\w.]+)?)$/.exec(symbol);
  if (match === null) return null;
  // A real hash has many different digits; a C++ name that only looks like one has not.
  if (new Set(match[2]).size < 5) return null;
  const text = match[1];
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const digits = /^[1-9]\d{0,5}/.exec(text.slice(at, at + 7));
    if (digits === null) return null;
    at += digits[0].length;
    const length = Number(digits[0]);
    if (at + length > text.length) return null;
    const part = unescapeRust(text.slice(at, at + length));
    if (part === null) return null;
    parts.push(part);
    at += length;
  }
  return parts.join('::') + match[3];
}

function unescapeRust(part: string): string | null {
  if (part.startsWith('_$')) part = part.slice(1);
  let bad = false;
  const text = part.replace(/\$([A-Za-z0-9]+)\$|\$|\.\.|\./g, (all, name: string | undefined) => {
    if (all === '..') return '::';
    if (all === '.') return '.';
    if (name === undefined) {
      bad = true;
      return '';
    }
    const known = ESCAPES[name] as string | undefined;
    if (known !== undefined) return known;
    const code = /^u([0-9a-f]{1,6})$/.exec(name);
    if (code === null || parseInt(code[1], 16) > 0x10ffff) {
      bad = true;
      return '';
    }
    return String.fromCodePoint(parseInt(code[1], 16));
  });
  return bad ? null : text;
}
