// Itanium C++ ABI, section 5.1 (mangling): https://itanium-cxx-abi.github.io/cxx-abi/abi.html
import { ItaniumExpressions } from './itanium-expressions.ts';
import type { NameState } from './itanium-base.ts';
import { FAIL, Undemanglable, print } from './itanium-nodes.ts';
import type { Node } from './itanium-nodes.ts';
import { BUILTINS, D_TYPES } from './itanium-tables.ts';

/**
 * A C++ name as source code writes it, or null when `symbol` is none (or nonsense). With `verbose`, std::string and the
 * like are written in full, as c++filt does.
 */
export function demangleItanium(symbol: string, verbose = false): string | null {
  let from = 0;
  if (symbol.startsWith('_Z')) from = 2;
  else if (symbol.startsWith('__Z')) from = 3;
  else return null;
  try {
    return new Itanium(symbol, from, verbose).whole();
  } catch (error) {
    // A few bytes can nest deeper than our stack; RangeError is what that looks like.
    if (error instanceof Undemanglable || error instanceof RangeError) return null;
    throw error;
  }
}

class Itanium extends ItaniumExpressions {
  whole(): string {
    const node = this.encoding(true);
    let text = print(node);
    // GCC's copies of a function: .cold, .part.0, .constprop.0.isra.1
    while (this.peek() === '.') {
      const match = /^\.(?:[a-zA-Z_]\w*(?:\.\d+)*|\d+(?:\.\d+)*)/.exec(this.s.slice(this.i));
      if (match === null) throw FAIL;
      this.i += match[0].length;
      text += ` [clone ${match[0]}]`;
    }
    if (this.i < this.s.length) throw FAIL;
    return text;
  }

  encoding(withResult: boolean): Node {
    this.deeper();
    const c = this.peek();
    if (c === 'T' || c === 'G') {
      const node = this.#special();
      this.depth--;
      return node;
    }
    const state: NameState = { noResult: false, template: false, tail: '', forwards: this.forwards.length };
    const outer = this.parameters;
    this.parameters = [];
    const name = this.name(state);
    this.#resolve(state.forwards);
    let node = name;
    if (!this.atEnd()) {
      let result: Node | null = null;
      if (state.template && !state.noResult) {
        const type = this.type();
        if (withResult) result = type;
      }
      const parameters: Node[] = [];
      if (!this.eat('v')) {
        do parameters.push(this.type()); while (!this.atEnd());
      }
      node = { k: 'function', name, result, parameters, tail: state.tail };
    } else if (state.tail !== '') node = { k: 'suffix', of: name, text: state.tail };
    this.parameters = outer;
    this.depth--;
    return node;
  }

  type(): Node {
    this.deeper();
    const node = this.#typeInner();
    this.depth--;
    return node;
  }

  #resolve(from: number): void {
    while (this.forwards.length > from) {
      const forward = this.forwards.pop();
      if (forward === undefined) break;
      forward.found = this.parameters[forward.index] ?? null;
      if (forward.found === null || forward.found === forward) throw FAIL;
    }
  }

  #special(): Node {
    const two = this.s.slice(this.i, this.i + 2);
    this.i += 2;
    switch (two) {
      case 'TV': return { k: 'prefix', text: 'vtable for ', of: this.type() };
      case 'TT': return { k: 'prefix', text: 'VTT for ', of: this.type() };
      case 'TI': return { k: 'prefix', text: 'typeinfo for ', of: this.type() };
      case 'TS': return { k: 'prefix', text: 'typeinfo name for ', of: this.type() };
      case 'TA': return { k: 'prefix', text: 'template parameter object for ', of: this.templateArgument() };
      case 'Th': this.#callOffset('h'); return { k: 'prefix', text: 'non-virtual thunk to ', of: this.encoding(true) };
      case 'Tv': this.#callOffset('v'); return { k: 'prefix', text: 'virtual thunk to ', of: this.encoding(true) };
      case 'Tc':
        this.#callOffset(this.s[this.i++]);
        this.#callOffset(this.s[this.i++]);
        return { k: 'prefix', text: 'covariant return thunk to ', of: this.encoding(true) };
      case 'TC': {
        const derived = this.type();
        this.number();
        if (!this.eat('_')) throw FAIL;
        return { k: 'row', parts: ['construction vtable for ', this.type(), '-in-', derived] };
      }
      case 'TH': return { k: 'prefix', text: 'TLS init function for ', of: this.name(null) };
      case 'TW': return { k: 'prefix', text: 'TLS wrapper function for ', of: this.name(null) };
      case 'GV': return { k: 'prefix', text: 'guard variable for ', of: this.name(null) };
      case 'GR': {
        const of = this.name(null);
        const number = this.eat('_') ? 0 : this.sequence() + 1;
        return { k: 'row', parts: [`reference temporary #${number} for `, of] };
      }
      case 'GA': this.i++; return { k: 'prefix', text: 'hidden alias for ', of: this.encoding(true) };
      case 'GT': {
        const safe = this.s[this.i++];
        return { k: 'prefix', text: safe === 'n' ? 'non-transaction clone for ' : 'transaction clone for ', of: this.encoding(true) };
      }
      default: throw FAIL;
    }
  }

  #callOffset(kind: string | undefined): void {
    this.number();
    if (kind === 'v') {
      if (!this.eat('_')) throw FAIL;
      this.number();
    } else if (kind !== 'h') throw FAIL;
    if (!this.eat('_')) throw FAIL;
  }

  #typeInner(): Node {
    const c = this.peek();
    const builtin = BUILTINS[c] as string | undefined;
    if (builtin !== undefined) {
      this.i++;
      return { k: 'name', text: builtin };
    }
    switch (c) {
      case 'r': case 'V': case 'K': {
        const words = this.qualifiers();
        const next = this.peek();
        const after = this.s[this.i + 1] ?? '';
        if (next === 'F' || (next === 'D' && 'oOwx'.includes(after))) return this.remember(this.#functionType(words));
        const of = this.type();
        if (of.k === 'qualified' && of.words.includes(words)) return this.remember(of);
        return this.remember({ k: 'qualified', of, words });
      }
      case 'P': this.i++; return this.remember({ k: 'pointer', to: this.type(), sign: '*' });
      case 'R': this.i++; return this.remember({ k: 'pointer', to: this.type(), sign: '&' });
      case 'O': this.i++; return this.remember({ k: 'pointer', to: this.type(), sign: '&&' });
      case 'C': this.i++; return this.remember({ k: 'suffix', of: this.type(), text: ' _Complex' });
      case 'G': this.i++; return this.remember({ k: 'suffix', of: this.type(), text: ' _Imaginary' });
      case 'F': return this.remember(this.#functionType(''));
      case 'A': return this.remember(this.#array());
      case 'M': {
        this.i++;
        const scope = this.type();
        return this.remember({ k: 'member', scope, of: this.type() });
      }
      case 'D': return this.#dType();
      case 'T': return this.#parameterType();
      case 'S':
        if (this.s[this.i + 1] !== 't') {
          const sub = this.substitution(false);
          if (this.peek() !== 'I') return sub;
          return this.remember({ k: 'template', name: sub, args: this.templateArguments(null) });
        }
        return this.remember(this.name(null));
      case 'U': return this.#vendorQualified();
      case 'u': {
        this.i++;
        const name = this.sourceName();
        return this.remember(this.peek() === 'I' ? { k: 'template', name, args: this.templateArguments(null) } : name);
      }
      default: return this.remember(this.name(null));
    }
  }

  #parameterType(): Node {
    const after = this.s[this.i + 1] ?? '';
    if (after === 's' || after === 'u' || after === 'e') {
      this.i += 2;
      const word = after === 's' ? 'struct ' : after === 'u' ? 'union ' : 'enum ';
      return this.remember({ k: 'prefix', text: word, of: this.name(null) });
    }
    const parameter = this.remember(this.templateParameter());
    if (this.peek() !== 'I') return parameter;
    // Within a conversion operator the arguments may belong to the operator itself, not to its type.
    if (this.inConversion) {
      const mark = this.i;
      const subs = this.subs.length;
      const forwards = this.forwards.length;
      try {
        const args = this.templateArguments(null);
        if (this.peek() === 'I' || !this.conversionNeedsArguments) return this.remember({ k: 'template', name: parameter, args });
      } catch (error) {
        if (!(error instanceof Undemanglable)) throw error;
      }
      this.i = mark;
      this.subs.length = subs;
      this.forwards.length = forwards;
      return parameter;
    }
    return this.remember({ k: 'template', name: parameter, args: this.templateArguments(null) });
  }

  #vendorQualified(): Node {
    this.i++;
    const name = this.sourceName();
    const args = this.peek() === 'I' ? this.templateArguments(null) : null;
    const of = this.type();
    return this.remember({ k: 'row', parts: [of, ' ', args === null ? name : { k: 'template', name, args }] });
  }

  #array(): Node {
    this.i++;
    let size: Node | null = null;
    if (/[0-9]/.test(this.peek())) size = { k: 'name', text: this.digits() };
    else if (this.peek() !== '_') size = this.expression();
    if (!this.eat('_')) throw FAIL;
    return { k: 'array', of: this.type(), size };
  }

  #dType(): Node {
    const c = this.s[this.i + 1] ?? '';
    const known = D_TYPES[c] as string | undefined;
    if (known !== undefined) {
      this.i += 2;
      const node: Node = { k: 'name', text: known };
      return c === 'n' ? node : node;
    }
    switch (c) {
      case 't': case 'T': return this.remember(this.decltype());
      case 'p': this.i += 2; return this.remember({ k: 'expansion', of: this.type() });
      case 'o': case 'O': case 'w': case 'x': return this.remember(this.#functionType(''));
      case 'F': {
        this.i += 2;
        const digits = this.digits();
        if (this.eat('b')) return { k: 'name', text: digits === '16' ? 'std::bfloat16_t' : `_Float${digits}b` };
        if (this.eat('x')) return { k: 'name', text: `_Float${digits}x` };
        if (!this.eat('_')) throw FAIL;
        return { k: 'name', text: `_Float${digits}` };
      }
      case 'B': case 'U': {
        this.i += 2;
        const size: Node = /[0-9]/.test(this.peek()) ? { k: 'name', text: this.digits() } : this.expression();
        if (!this.eat('_')) throw FAIL;
        return { k: 'row', parts: [c === 'B' ? '_BitInt(' : 'unsigned _BitInt(', size, ')'] };
      }
      case 'v': {
        this.i += 2;
        let size: Node;
        if (this.eat('_')) size = this.expression();
        else size = { k: 'name', text: this.digits() };
        if (!this.eat('_')) throw FAIL;
        return this.remember({ k: 'vector', of: this.type(), size });
      }
      default: throw FAIL;
    }
  }

  #functionType(qualifiers: string): Node {
    let tail = qualifiers;
    if (this.peek() === 'D') {
      const kind = this.s[this.i + 1];
      this.i += 2;
      if (kind === 'o') tail += ' noexcept';
      else if (kind === 'x') tail += ' transaction_safe';
      else {
        const items: Node[] = [];
        if (kind === 'O') items.push(this.expression());
        else while (this.peek() !== 'E') items.push(this.type());
        if (!this.eat('E')) throw FAIL;
        // The words hold a node: they are written out here, which is exact outside of packs.
        tail += `${kind === 'O' ? ' noexcept' : ' throw'}(${items.map(print).join(', ')})`;
      }
    }
    if (!this.eat('F')) throw FAIL;
    this.eat('Y');
    const result = this.type();
    const parameters: Node[] = [];
    let reference = '';
    for (;;) {
      if (this.eat('E')) break;
      if (this.eat('v')) continue;
      if (this.peek() === 'R' && this.s[this.i + 1] === 'E') reference = ' &';
      else if (this.peek() === 'O' && this.s[this.i + 1] === 'E') reference = ' &&';
      if (reference !== '') {
        this.i += 2;
        break;
      }
      parameters.push(this.type());
    }
    return { k: 'function', name: null, result, parameters, tail: tail + reference };
  }
}
