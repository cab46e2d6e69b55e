// Rust symbol mangling v0: RFC 2603, https://doc.rust-lang.org/rustc/symbol-mangling/v0.html

const BASIC: Readonly<Record<string, string>> = {
  a: 'i8', b: 'bool', c: 'char', d: 'f64', e: 'str', f: 'f32', h: 'u8', i: 'isize', j: 'usize', l: 'i32', m: 'u32', n: 'i128', o: 'u128',
  p: '_', s: 'i16', t: 'u16', u: '()', v: '...', x: 'i64', y: 'u64', z: '!',
};
const DEPTH_LIMIT = 300;
const LENGTH_LIMIT = 128 * 1024;

class NoRust extends Error {}
const FAIL = new NoRust('no Rust name');

/** A Rust name as source code writes it, or null when `symbol` is none of the v0 scheme. */
export function demangleRustV0(symbol: string): string | null {
  const match = /^_?_R(?=[A-Z])/.exec(symbol);
  if (match === null) return null;
  // What comes after a dot was added by LLVM; c++filt does not write it.
  const dot = symbol.indexOf('.');
  const text = symbol.slice(match[0].length, dot < 0 ? undefined : dot);
  if (!/^\w+$/.test(text)) return null;
  try {
    return new RustV0(text).whole();
  } catch (error) {
    if (error instanceof NoRust || error instanceof RangeError) return null;
    throw error;
  }
}

class RustV0 {
  #s: string;
  #i = 0;
  #out: string[] = [];
  #length = 0;
  #depth = 0;
  #quiet = 0;
  #lifetimes = 0;

  constructor(text: string) {
    this.#s = text;
  }

  whole(): string {
    this.#path(true);
    if (this.#i < this.#s.length) {
      this.#quiet++;
      this.#path(false);
      this.#quiet--;
    }
    if (this.#i < this.#s.length) throw FAIL;
    return this.#out.join('');
  }

  #put(text: string): void {
    if (this.#quiet > 0) return;
    this.#length += text.length;
    if (this.#length > LENGTH_LIMIT) throw FAIL;
    this.#out.push(text);
  }

  #eat(c: string): boolean {
    if (this.#s[this.#i] !== c) return false;
    this.#i++;
    return true;
  }

  #next(): string {
    const c = this.#s[this.#i++] as string | undefined;
    if (c === undefined) throw FAIL;
    return c;
  }

  #base62(): number {
    if (this.#eat('_')) return 0;
    let value = 0;
    for (;;) {
      const c = this.#next();
      if (c === '_') break;
      const code = c.charCodeAt(0);
      const digit = code <= 57 ? code - 48 : code >= 97 ? code - 87 : code - 29;
      value = value * 62 + digit;
    }
    if (value >= Number.MAX_SAFE_INTEGER) return 0;
    return value + 1;
  }

  /** `s` number: 0 when there is none. */
  #disambiguator(): number {
    return this.#eat('s') ? this.#base62() + 1 : 0;
  }

  #identifier(): string {
    const puny = this.#eat('u');
    const digits = /^(?:0|[1-9]\d{0,7})/.exec(this.#s.slice(this.#i, this.#i + 10));
    if (digits === null) throw FAIL;
    this.#i += digits[0].length;
    this.#eat('_');
    const length = Number(digits[0]);
    if (this.#i + length > this.#s.length) throw FAIL;
    const text = this.#s.slice(this.#i, this.#i + length);
    this.#i += length;
    return puny ? punycode(text) : text;
  }

  #deeper(): void {
    if (++this.#depth > DEPTH_LIMIT) throw FAIL;
  }

  #backref(print: () => void): void {
    const at = this.#i - 1;
    const target = this.#base62();
    if (target >= at) throw FAIL;
    if (this.#quiet > 0) return;
    const back = this.#i;
    this.#i = target;
    print();
    this.#i = back;
  }

  #path(inValue: boolean): void {
    this.#deeper();
    const c = this.#next();
    switch (c) {
      case 'C': this.#disambiguator(); this.#put(this.#identifier()); break;
      case 'N': {
        const space = this.#next();
        if (!/[A-Za-z]/.test(space)) throw FAIL;
        this.#path(inValue);
        const number = this.#disambiguator();
        const name = this.#identifier();
        if (space >= 'A' && space <= 'Z') {
          const word = space === 'C' ? 'closure' : space === 'S' ? 'shim' : space;
          this.#put(`::{${word}${name === '' ? '' : `:${name}`}#${number}}`);
        } else if (name !== '') this.#put(`::${name}`);
        break;
      }
      case 'M': case 'X': {
        this.#disambiguator();
        this.#quiet++;
        this.#path(false);
        this.#quiet--;
        this.#impl(c === 'X');
        break;
      }
      case 'Y': this.#impl(true); break;
      case 'I':
        this.#path(inValue);
        this.#put(inValue ? '::<' : '<');
        for (let first = true; !this.#eat('E'); first = false) {
          if (!first) this.#put(', ');
          this.#genericArgument();
        }
        this.#put('>');
        break;
      case 'B': this.#backref(() => { this.#path(inValue); }); break;
      default: throw FAIL;
    }
    this.#depth--;
  }

  #impl(trait: boolean): void {
    this.#put('<');
    this.#type();
    if (trait) {
      this.#put(' as ');
      this.#path(false);
    }
    this.#put('>');
  }

  #genericArgument(): void {
    if (this.#eat('L')) this.#lifetime(this.#base62());
    else if (this.#eat('K')) this.#constant(false);
    else this.#type();
  }

  #lifetime(index: number): void {
    if (index === 0) {
      this.#put("'_");
      return;
    }
    const depth = this.#lifetimes - index;
    if (depth < 0) throw FAIL;
    this.#put(depth < 26 ? `'${String.fromCharCode(97 + depth)}` : `'_${depth}`);
  }

  #binder(inside: () => void): void {
    if (!this.#eat('G')) {
      inside();
      return;
    }
    const count = this.#base62() + 1;
    if (count > 1000) throw FAIL;
    this.#put('for<');
    for (let i = 0; i < count; i++) {
      if (i > 0) this.#put(', ');
      this.#lifetimes++;
      this.#lifetime(1);
    }
    this.#put('> ');
    inside();
    this.#lifetimes -= count;
  }

  #type(): void {
    this.#deeper();
    const c = this.#next();
    const basic = BASIC[c] as string | undefined;
    if (basic !== undefined) this.#put(basic);
    else {
      switch (c) {
        case 'R': case 'Q':
          this.#put('&');
          if (this.#eat('L')) {
            const index = this.#base62();
            if (index !== 0) {
              this.#lifetime(index);
              this.#put(' ');
            }
          }
          if (c === 'Q') this.#put('mut ');
          this.#type();
          break;
        case 'P': this.#put('*const '); this.#type(); break;
        case 'O': this.#put('*mut '); this.#type(); break;
        case 'A': case 'S':
          this.#put('[');
          this.#type();
          if (c === 'A') {
            this.#put('; ');
            this.#constant(true);
          }
          this.#put(']');
          break;
        case 'T': {
          this.#put('(');
          let count = 0;
          for (; !this.#eat('E'); count++) {
            if (count > 0) this.#put(', ');
            this.#type();
          }
          this.#put(count === 1 ? ',)' : ')');
          break;
        }
        case 'F': this.#binder(() => { this.#functionType(); }); break;
        case 'D': {
          this.#put('dyn ');
          this.#binder(() => {
            for (let first = true; !this.#eat('E'); first = false) {
              if (!first) this.#put(' + ');
              this.#dynTrait();
            }
          });
          if (!this.#eat('L')) throw FAIL;
          const index = this.#base62();
          if (index !== 0) {
            this.#put(' + ');
            this.#lifetime(index);
          }
          break;
        }
        case 'B': this.#backref(() => { this.#type(); }); break;
        default:
          this.#i--;
          this.#path(false);
      }
    }
    this.#depth--;
  }

  #functionType(): void {
    if (this.#eat('U')) this.#put('unsafe ');
    if (this.#eat('K')) this.#put(`extern "${this.#eat('C') ? 'C' : this.#identifier().replaceAll('_', '-')}" `);
    this.#put('fn(');
    for (let first = true; !this.#eat('E'); first = false) {
      if (!first) this.#put(', ');
      this.#type();
    }
    this.#put(')');
    if (this.#eat('u')) return;
    this.#put(' -> ');
    this.#type();
  }

  /** A trait whose list of arguments stays open for its associated types. */
  #dynTrait(): void {
    let open = this.#openPath();
    while (this.#eat('p')) {
      this.#put(open ? ', ' : '<');
      open = true;
      this.#put(`${this.#identifier()} = `);
      this.#type();
    }
    if (open) this.#put('>');
  }

  #openPath(): boolean {
    this.#deeper();
    let open = false;
    if (this.#eat('B')) this.#backref(() => { open = this.#openPath(); });
    else if (this.#eat('I')) {
      this.#path(false);
      this.#put('<');
      for (let first = true; !this.#eat('E'); first = false) {
        if (!first) this.#put(', ');
        this.#genericArgument();
      }
      open = true;
    } else this.#path(false);
    this.#depth--;
    return open;
  }

  #constant(inValue: boolean): void {
    this.#deeper();
    const c = this.#next();
    if (c === 'p') this.#put('_');
    else if (c === 'B') this.#backref(() => { this.#constant(inValue); });
    else if (/[ahijlmnostxy]/.test(c)) {
      if (this.#eat('n')) this.#put('-');
      const hex = this.#hex();
      this.#put(hex === '' ? '0' : BigInt(`0x${hex}`).toString());
    } else if (c === 'b') {
      const hex = this.#hex();
      this.#put(hex === '0' ? 'false' : hex === '1' ? 'true' : this.#no());
    } else if (c === 'c') {
      const code = parseInt(this.#hex(), 16);
      if (!(code <= 0x10ffff)) throw FAIL;
      this.#put(`'${escapeChar(String.fromCodePoint(code))}'`);
    } else throw FAIL;
    this.#depth--;
  }

  #no(): never {
    throw FAIL;
  }

  #hex(): string {
    const end = this.#s.indexOf('_', this.#i);
    if (end < 0 || end - this.#i > 64) throw FAIL;
    const hex = this.#s.slice(this.#i, end);
    if (!/^[0-9a-f]*$/.test(hex)) throw FAIL;
    this.#i = end + 1;
    return hex;
  }
}

function escapeChar(c: string): string {
  if (c === "'" || c === '\\') return `\\${c}`;
  if (c === '\n') return '\\n';
  if (c === '\t') return '\\t';
  if (c === '\r') return '\\r';
  return c < ' ' ? `\\u{${c.charCodeAt(0).toString(16)}}` : c;
}

/** RFC 3492 with `_` as the delimiter. */
function punycode(text: string): string {
  const mark = text.lastIndexOf('_');
  const out = mark > 0 ? Array.from(text.slice(0, mark)) : [];
  const rest = text.slice(mark + 1);
  let [n, bias, at] = [128, 72, 0];
  let first = true;
  for (let p = 0; p < rest.length;) {
    const before = at;
    let weight = 1;
    for (let k = 36; ; k += 36) {
      const code = rest.charCodeAt(p++);
      const digit = code >= 97 && code <= 122 ? code - 97 : code >= 48 && code <= 57 ? code - 22 : NaN;
      if (Number.isNaN(digit)) throw FAIL;
      at += digit * weight;
      const threshold = Math.min(26, Math.max(1, k - bias));
      if (digit < threshold) break;
      weight *= 36 - threshold;
      if (weight > 1e12) throw FAIL;
    }
    const count = out.length + 1;
    let delta = Math.floor((at - before) / (first ? 700 : 2));
    first = false;
    delta += Math.floor(delta / count);
    let k = 0;
    for (; delta > 455; k += 36) delta = Math.floor(delta / 35);
    bias = k + Math.floor((36 * delta) / (delta + 38));
    n += Math.floor(at / count);
    at %= count;
    if (n > 0x10ffff) throw FAIL;
    out.splice(at++, 0, String.fromCodePoint(n));
  }
  return out.join('');
}
