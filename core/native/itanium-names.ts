import { ItaniumBase } from './itanium-base.ts';
import type { NameState } from './itanium-base.ts';
import { FAIL, hasParameter, rebind } from './itanium-nodes.ts';
import type { Node } from './itanium-nodes.ts';
import { OPERATORS, STANDARD } from './itanium-tables.ts';

/** Names: nested, local, operators, lambdas, template arguments, substitutions. */
export abstract class ItaniumNames extends ItaniumBase {
  name(state: NameState | null): Node {
    this.deeper();
    const node = this.#nameInner(state);
    this.depth--;
    return node;
  }

  #nameInner(state: NameState | null): Node {
    const c = this.peek();
    if (c === 'N') return this.#nested(state);
    if (c === 'Z') return this.#local(state);
    let node: Node;
    let known = false;
    if (c === 'S' && this.s[this.i + 1] !== 't') {
      node = this.substitution(false);
      if (this.peek() !== 'I') throw FAIL;
      known = true;
    } else if (this.eatTwo('St')) {
      node = { k: 'nested', scope: { k: 'name', text: 'std' }, name: this.unqualified(state, null) };
    } else node = this.unqualified(state, null);
    if (this.peek() !== 'I') return node;
    if (!known) this.remember(node);
    const args = this.templateArguments(state);
    if (state !== null) state.template = true;
    return { k: 'template', name: node, args };
  }

  #nested(state: NameState | null): Node {
    this.i++;
    const words = this.qualifiers();
    const reference = this.eat('R') ? ' &' : this.eat('O') ? ' &&' : '';
    if (this.eat('H') && state !== null) state.tail = '';
    else if (state !== null) state.tail = words + reference;
    let node: Node | null = null;
    let remembered = false;
    while (!this.eat('E')) {
      if (state !== null) state.template = false;
      const c = this.peek();
      if (c === 'I') {
        if (node === null) throw FAIL;
        node = this.remember({ k: 'template', name: node, args: this.templateArguments(state) });
        if (state !== null) state.template = true;
        remembered = true;
        continue;
      }
      if (c === 'T' && node === null) {
        node = this.remember(this.templateParameter());
        remembered = true;
        continue;
      }
      if (c === 'D' && node === null && (this.s[this.i + 1] === 't' || this.s[this.i + 1] === 'T')) {
        node = this.remember(this.decltype());
        remembered = true;
        continue;
      }
      if (c === 'S' && node === null) {
        if (this.eatTwo('St')) node = { k: 'name', text: 'std' };
        else node = this.substitution(true);
        remembered = false;
        continue;
      }
      if (c === 'M') {
        this.i++;
        if (node === null) throw FAIL;
        continue;
      }
      const part = this.unqualified(state, node);
      node = this.remember(node === null ? part : { k: 'nested', scope: node, name: part });
      remembered = true;
    }
    if (node === null) throw FAIL;
    // The whole is remembered by whoever uses it as a type.
    if (remembered) this.subs.pop();
    return node;
  }

  #local(state: NameState | null): Node {
    this.i++;
    const outerLambda = this.inLambda;
    this.inLambda = 0;
    const scope = this.encoding(false);
    this.inLambda = outerLambda;
    if (!this.eat('E')) throw FAIL;
    if (this.eat('s')) {
      this.#discriminator();
      return { k: 'suffix', of: scope, text: '::string literal' };
    }
    if (this.eat('d')) {
      const number = this.counted() + 1;
      const name = this.name(state);
      return { k: 'row', parts: [scope, `::{default arg#${number}}::`, name] };
    }
    const name = this.name(state);
    this.#discriminator();
    return { k: 'nested', scope, name };
  }

  #discriminator(): void {
    if (this.peek() !== '_') return;
    const rest = /^_(?:_\d+_|\d)/.exec(this.s.slice(this.i, this.i + 16));
    if (rest !== null) this.i += rest[0].length;
  }

  /** One part of a name; `scope` is what a constructor is named after. */
  unqualified(state: NameState | null, scope: Node | null): Node {
    this.eat('L');
    const c = this.peek();
    let node: Node;
    if (c >= '0' && c <= '9') node = this.sourceName();
    else if (c === 'U') node = this.#unnamed();
    else if (c === 'C' || (c === 'D' && /[0-9]/.test(this.s[this.i + 1] ?? ''))) {
      if (scope === null) throw FAIL;
      if (state !== null) state.noResult = true;
      this.i++;
      const inherited = c === 'C' && this.eat('I');
      const kind = this.s[this.i++];
      if (kind === undefined || !/[0-9]/.test(kind)) throw FAIL;
      if (inherited) this.type();
      node = { k: 'name', text: (c === 'D' ? '~' : '') + lastName(scope) };
    } else if (this.eatTwo('DC')) {
      const items: Node[] = [];
      do items.push(this.sourceName()); while (!this.eat('E'));
      node = { k: 'list', items, open: '[', close: ']' };
    } else node = this.operatorName(state);
    return this.abiTags(node);
  }

  abiTags(node: Node): Node {
    while (this.eat('B')) {
      const tag = this.sourceName();
      node = { k: 'suffix', of: node, text: `[abi:${tag.k === 'name' ? tag.text : ''}]` };
    }
    return node;
  }

  operatorName(state: NameState | null): Node {
    if (this.eatTwo('cv')) {
      const [wasIn, needed] = [this.inConversion, this.conversionNeedsArguments];
      this.inConversion = true;
      // Only a function's own name may refer to template arguments that come after it.
      this.conversionNeedsArguments = state !== null;
      const forward = this.#forwardAllowed;
      this.#forwardAllowed = state !== null;
      const type = this.type();
      this.#forwardAllowed = forward;
      this.inConversion = wasIn;
      this.conversionNeedsArguments = needed;
      if (state !== null) state.noResult = true;
      return { k: 'prefix', text: 'operator ', of: type };
    }
    if (this.eatTwo('li')) return { k: 'prefix', text: 'operator"" ', of: this.sourceName() };
    if (this.peek() === 'v' && /[0-9]/.test(this.s[this.i + 1] ?? '')) {
      this.i += 2;
      return { k: 'prefix', text: 'operator ', of: this.sourceName() };
    }
    const operator = OPERATORS[this.s.slice(this.i, this.i + 2)] as readonly [string, number] | undefined;
    if (operator === undefined) throw FAIL;
    this.i += 2;
    return { k: 'name', text: /^[a-z]/.test(operator[0]) ? `operator ${operator[0]}` : `operator${operator[0]}` };
  }

  #unnamed(): Node {
    this.i++;
    if (this.eat('t')) return { k: 'name', text: `{unnamed type#${this.counted() + 1}}` };
    if (this.eat('b')) {
      this.counted();
      return { k: 'name', text: "'block-literal'" };
    }
    if (!this.eat('l')) throw FAIL;
    this.inLambda++;
    // Explicit template parameters of a lambda are not written by c++filt either.
    while (this.peek() === 'T' && /[ynptk]/.test(this.s[this.i + 1] ?? '')) this.#templateParameterDeclaration();
    const parameters: Node[] = [];
    if (!this.eat('v')) {
      while (this.peek() !== 'E') parameters.push(this.type());
    }
    if (!this.eat('E')) throw FAIL;
    this.inLambda--;
    const number = this.counted() + 1;
    return { k: 'list', items: parameters, open: '{lambda(', close: `)#${number}}` };
  }

  #templateParameterDeclaration(): void {
    this.i++;
    const kind = this.s[this.i++];
    if (kind === 'n') this.type();
    else if (kind === 'p') this.#templateParameterDeclaration();
    else if (kind === 't') {
      while (!this.eat('E')) this.#templateParameterDeclaration();
    } else if (kind === 'k') this.name(null);
    else if (kind !== 'y') throw FAIL;
  }

  #forwardAllowed = false;

  templateParameter(): Node {
    if (!this.eat('T')) throw FAIL;
    let level = 0;
    if (this.eat('L')) level = this.counted() + 1;
    const index = this.counted();
    if (this.inLambda > 0) return { k: 'parameter', index, found: null, owner: null };
    const found = level > 0 ? undefined : this.parameters[index] as Node | undefined;
    if (found !== undefined && !this.#forwardAllowed) return { k: 'parameter', index, found, owner: this.parameters };
    if (!this.#forwardAllowed) throw FAIL;
    const forward: Node & { k: 'forward' } = { k: 'forward', index, found: null };
    this.forwards.push(forward);
    return forward;
  }

  /** I ... E. With a state, they are the arguments of the function itself, to which T_ refers from then on. */
  templateArguments(state: NameState | null): Node[] {
    if (!this.eat('I')) throw FAIL;
    this.deeper();
    const args: Node[] = [];
    const own = state !== null && this.inLambda === 0;
    if (own) this.parameters = [];
    while (!this.eat('E')) {
      const arg = this.templateArgument();
      args.push(arg);
      if (own) this.parameters.push(arg.k === 'arguments' ? { k: 'pack', items: arg.items } : arg);
      if (this.peek() === '') throw FAIL;
    }
    this.depth--;
    return args;
  }

  templateArgument(): Node {
    const c = this.peek();
    // GCC wrote I ... E for packs before it wrote J ... E.
    if (c === 'J' || c === 'I') {
      this.i++;
      const items: Node[] = [];
      while (!this.eat('E')) items.push(this.templateArgument());
      return { k: 'arguments', items };
    }
    if (c === 'X') {
      this.i++;
      const node = this.expression();
      if (!this.eat('E')) throw FAIL;
      return node;
    }
    if (c === 'L') return this.expression();
    return this.type();
  }

  /** S_, S0_ and the standard abbreviations; `within` a nested name a constructor may follow. */
  substitution(within: boolean): Node {
    if (!this.eat('S')) throw FAIL;
    const c = this.peek();
    if (c >= 'a' && c <= 'z') {
      const standard = STANDARD[c] as readonly [string, string, string] | undefined;
      if (standard === undefined) throw FAIL;
      this.i++;
      const next = this.peek();
      const full = this.verbose || (within && (next === 'C' || next === 'D'));
      return this.abiTags({ k: 'name', text: full ? standard[1] : standard[0] });
    }
    const index = this.eat('_') ? 0 : this.sequence() + 1;
    const node = this.subs[index] as Node | undefined;
    if (node === undefined) throw FAIL;
    if (this.inLambda > 0 || !hasParameter(node, this.known)) return node;
    // A copy costs as much as what it copies: a hostile name could ask for it again and again.
    if (++this.rebinds > 2000) throw FAIL;
    return rebind(node, this.parameters, this.known);
  }

  decltype(): Node {
    this.i += 2;
    const of = this.expression();
    if (!this.eat('E')) throw FAIL;
    return { k: 'row', parts: ['decltype (', of, ')'] };
  }
}

/** What a constructor of a class is called: its last part without template arguments. */
function lastName(node: Node): string {
  switch (node.k) {
    case 'nested': return lastName(node.name);
    case 'template': return lastName(node.name);
    case 'suffix': return lastName(node.of);
    case 'name': {
      const standard = Object.values(STANDARD).find((names) => names[0] === node.text || names[1] === node.text);
      return standard === undefined ? node.text : standard[2];
    }
    case 'list': return '{lambda()}';
    case 'forward': case 'parameter': return node.found === null ? '' : lastName(node.found);
    default: throw FAIL;
  }
}
