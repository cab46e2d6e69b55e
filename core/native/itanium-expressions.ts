import { ItaniumNames } from './itanium-names.ts';
import { FAIL, Undemanglable } from './itanium-nodes.ts';
import type { Node } from './itanium-nodes.ts';
import { LITERAL_ENDS, OPERATORS } from './itanium-tables.ts';

/** Expressions in template arguments, decltype and array bounds. */
export abstract class ItaniumExpressions extends ItaniumNames {
  expression(): Node {
    this.deeper();
    const node = this.#inner();
    this.depth--;
    return node;
  }

  #inner(): Node {
    const c = this.peek();
    if (c === 'L') return this.#literal();
    if (c === 'T') return this.templateParameter();
    const global = this.eatTwo('gs') ? '::' : '';
    const two = this.s.slice(this.i, this.i + 2);
    if (/^[0-9]/.test(two)) return this.#simple();
    switch (two) {
      case 'fp': case 'fL': return this.#parameterOrFold();
      case 'fl': case 'fr': case 'fR': return this.#fold();
      case 'on': this.i += 2; return this.#withArguments(this.operatorName(null));
      case 'dn': this.i += 2; return { k: 'prefix', text: '~', of: this.peek() === 'S' || this.peek() === 'T' ? this.type() : this.#simple() };
      case 'sr': this.i += 2; return this.#unresolved(global);
      case 'cl': {
        this.i += 2;
        const callee = this.expression();
        return { k: 'row', parts: [this.#callee(callee), { k: 'list', items: this.#until('E'), open: '(', close: ')' }] };
      }
      case 'cv': {
        this.i += 2;
        const type = this.type();
        if (this.eat('_')) return { k: 'row', parts: ['(', type, ')', { k: 'list', items: this.#until('E'), open: '(', close: ')' }] };
        return { k: 'row', parts: ['(', type, ')', wrap(this.expression())] };
      }
      case 'tl': {
        this.i += 2;
        const type = this.type();
        return { k: 'row', parts: [type, { k: 'list', items: this.#until('E'), open: '{', close: '}' }] };
      }
      case 'il': this.i += 2; return { k: 'list', items: this.#until('E'), open: '{', close: '}' };
      case 'dc': case 'sc': case 'cc': case 'rc': {
        this.i += 2;
        const word = two === 'dc' ? 'dynamic_cast' : two === 'sc' ? 'static_cast' : two === 'cc' ? 'const_cast' : 'reinterpret_cast';
        const type = this.type();
        return { k: 'row', parts: [{ k: 'template', name: { k: 'name', text: word }, args: [type] }, '(', this.expression(), ')'] };
      }
      case 'ti': case 'st': case 'at': this.i += 2; return { k: 'row', parts: [two === 'st' ? 'sizeof (' : two === 'at' ? 'alignof (' : 'typeid (', this.type(), ')'] };
      case 'te': case 'sz': case 'az': this.i += 2; return { k: 'row', parts: [two === 'sz' ? 'sizeof ' : two === 'az' ? 'alignof ' : 'typeid ', wrap(this.expression())] };
      case 'nx': this.i += 2; return { k: 'row', parts: ['noexcept', wrap(this.expression())] };
      case 'sZ': this.i += 2; return { k: 'count', of: this.peek() === 'T' ? this.templateParameter() : this.expression() };
      case 'sP': this.i += 2; return { k: 'row', parts: ['sizeof...(', { k: 'arguments', items: this.#arguments() }, ')'] };
      case 'sp': this.i += 2; return { k: 'expansion', of: this.expression() };
      case 'tw': this.i += 2; return { k: 'row', parts: ['throw ', this.expression()] };
      case 'tr': this.i += 2; return { k: 'name', text: 'throw' };
      case 'dt': case 'pt': {
        this.i += 2;
        const object = this.expression();
        return { k: 'row', parts: [wrap(object), two === 'dt' ? '.' : '->', this.#memberName()] };
      }
      case 'ix': {
        this.i += 2;
        const object = this.expression();
        return { k: 'row', parts: [wrap(object), '[', this.expression(), ']'] };
      }
      case 'qu': {
        this.i += 2;
        const [test, yes, no] = [this.expression(), this.expression(), this.expression()];
        return { k: 'row', parts: [wrap(test), '?', wrap(yes), ' : ', wrap(no)] };
      }
      case 'nw': case 'na': return this.#new(global);
      case 'dl': case 'da': this.i += 2; return { k: 'row', parts: [`${global}delete${two === 'da' ? '[]' : ''} `, wrap(this.expression())] };
      case 'di': case 'dx': case 'dX': return this.#designated();
      default:
    }
    if (two[0] === 'u') {
      this.i++;
      const name = this.sourceName();
      return { k: 'row', parts: [name, { k: 'list', items: this.#arguments(), open: '(', close: ')' }] };
    }
    const operator = OPERATORS[two] as readonly [string, number] | undefined;
    if (operator === undefined || operator[1] === 0) throw FAIL;
    this.i += 2;
    const [text, operands] = operator;
    if (operands === 1) {
      if (two === 'pp' || two === 'mm') {
        if (this.eat('_')) return { k: 'row', parts: [text, wrap(this.expression())] };
        return { k: 'row', parts: [wrap(this.expression()), text] };
      }
      const of = this.expression();
      // The address of a member function is written without its parameters.
      if (two === 'ad' && of.k === 'function' && of.tail === '' && of.name?.k === 'nested') return { k: 'row', parts: ['&', of.name] };
      return { k: 'row', parts: [text, wrap(of)] };
    }
    const left = this.expression();
    const right = this.expression();
    const parts = [wrap(left), text, wrap(right)];
    // Inside template arguments a bare > would end them.
    return { k: 'row', parts: text === '>' ? ['(', ...parts, ')'] : parts };
  }

  #literal(): Node {
    this.i++;
    if (this.eatTwo('_Z')) {
      const outer = this.parameters;
      const node = this.encoding(true);
      this.parameters = outer;
      if (!this.eat('E')) throw FAIL;
      return node;
    }
    const letter = this.peek();
    const type = this.type();
    const end = this.s.indexOf('E', this.i);
    if (end < 0) throw FAIL;
    let value = this.s.slice(this.i, end);
    if (!/^n?[0-9a-f_]*$/.test(value)) throw FAIL;
    this.i = end + 1;
    if (value.startsWith('n')) value = `-${value.slice(1)}`;
    if (type.k === 'name') {
      if (letter === 'b' && (value === '0' || value === '1')) return { k: 'row', parts: [value === '1' ? 'true' : 'false'] };
      const ending = LITERAL_ENDS[letter] as string | undefined;
      if (ending !== undefined && value !== '') return { k: 'row', parts: [value + ending] };
      if ('fde'.includes(letter) && letter !== '') return { k: 'row', parts: ['(', type, `)[${value}]`] };
    }
    return { k: 'row', parts: ['(', type, `)${value}`] };
  }

  #parameterOrFold(): Node {
    if (this.s[this.i + 1] === 'L' && !/[0-9]/.test(this.s[this.i + 2] ?? '')) return this.#fold();
    if (this.eatTwo('fpT')) return { k: 'name', text: 'this' };
    if (this.eatTwo('fL')) {
      this.digits();
      if (!this.eat('p')) throw FAIL;
    } else this.i += 2;
    this.qualifiers();
    return { k: 'name', text: `{parm#${this.counted() + 1}}` };
  }

  #fold(): Node {
    const kind = this.s[this.i + 1];
    this.i += 2;
    const operator = OPERATORS[this.s.slice(this.i, this.i + 2)] as readonly [string, number] | undefined;
    if (operator === undefined) throw FAIL;
    this.i += 2;
    const first = this.expression();
    if (kind === 'l') return { k: 'row', parts: ['(...', operator[0], wrap(first), ')'] };
    if (kind === 'r') return { k: 'row', parts: ['(', wrap(first), operator[0], '...)'] };
    const second = this.expression();
    return { k: 'row', parts: ['(', wrap(first), operator[0], '...', operator[0], wrap(second), ')'] };
  }

  #new(global: string): Node {
    const array = this.s[this.i + 1] === 'a';
    this.i += 2;
    const placement = this.#until('_');
    const type = this.type();
    const parts: (string | Node)[] = [`${global}new${array ? '[]' : ''} `];
    if (placement.length > 0) parts.push({ k: 'list', items: placement, open: '(', close: ') ' });
    parts.push(type);
    if (this.eatTwo('pi')) parts.push({ k: 'list', items: this.#until('E'), open: '(', close: ')' });
    else if (this.peek() === 'i') parts.push(this.expression());
    else if (!this.eat('E')) throw FAIL;
    return { k: 'row', parts };
  }

  #designated(): Node {
    const kind = this.s[this.i + 1];
    this.i += 2;
    if (kind === 'i') {
      const field = this.sourceName();
      return { k: 'row', parts: ['.', field, '=', this.expression()] };
    }
    const from = this.expression();
    if (kind === 'x') return { k: 'row', parts: ['[', from, ']=', this.expression()] };
    const to = this.expression();
    return { k: 'row', parts: ['[', from, ' ... ', to, ']=', this.expression()] };
  }

  /** sr: a name in a type that is not known yet. Old GCC wrote a type and a name where the ABI has a list of parts. */
  #unresolved(global: string): Node {
    const [at, subs, depth, parameters] = [this.i, this.subs.length, this.depth, this.parameters];
    try {
      const node: Node = { k: 'nested', scope: this.type(), name: this.#memberName() };
      return global === '' ? node : { k: 'row', parts: [global, node] };
    } catch (error) {
      if (!(error instanceof Undemanglable)) throw error;
    }
    this.i = at;
    this.subs.length = subs;
    this.depth = depth;
    this.parameters = parameters;
    if (this.eat('N')) {
      let scope = this.type();
      while (!this.eat('E')) scope = { k: 'nested', scope, name: this.#simple() };
      return { k: 'row', parts: [global, { k: 'nested', scope, name: this.#memberName() }] };
    }
    if (/[0-9]/.test(this.peek())) {
      let scope = this.#simple();
      while (!this.eat('E')) scope = { k: 'nested', scope, name: this.#simple() };
      return { k: 'row', parts: [global, { k: 'nested', scope, name: this.#memberName() }] };
    }
    throw FAIL;
  }

  #memberName(): Node {
    if (this.eatTwo('on')) return this.#withArguments(this.operatorName(null));
    if (this.eatTwo('dn')) return { k: 'prefix', text: '~', of: /[0-9]/.test(this.peek()) ? this.#simple() : this.type() };
    if (this.eatTwo('sr')) return this.#unresolved('');
    if (/[0-9]/.test(this.peek())) return this.#simple();
    if (this.peek() === 'L') return this.#literal();
    if (this.peek() === 'T') return this.templateParameter();
    return this.#withArguments(this.operatorName(null));
  }

  #simple(): Node {
    return this.#withArguments(this.abiTags(this.sourceName()));
  }

  #withArguments(name: Node): Node {
    return this.peek() === 'I' ? { k: 'template', name, args: this.templateArguments(null) } : name;
  }

  #until(end: string): Node[] {
    const items: Node[] = [];
    while (!this.eat(end)) items.push(this.expression());
    return items;
  }

  #arguments(): Node[] {
    const items: Node[] = [];
    while (!this.eat('E')) items.push(this.templateArgument());
    return items;
  }

  /** A function that is called by its full name is written without its parameters. */
  #callee(callee: Node): Node {
    if (callee.k === 'function' && callee.name !== null) return callee.name;
    return wrap(callee);
  }
}

/** Operands stand in parentheses unless they are plain names. */
function wrap(node: Node): Node {
  if (node.k === 'name' || node.k === 'nested' || (node.k === 'list' && node.open === '{')) return node;
  return { k: 'row', parts: ['(', node, ')'] };
}
