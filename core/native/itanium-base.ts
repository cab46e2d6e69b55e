import { FAIL } from './itanium-nodes.ts';
import type { Node } from './itanium-nodes.ts';

/** What a function's name says about what follows it. */
export interface NameState {
  /** Constructor, destructor or conversion: no return type is written even for a template. */
  noResult: boolean;
  /** The last part had template arguments. */
  template: boolean;
  /** Qualifiers of a member function. */
  tail: string;
  /** How many references forward were open when the name began. */
  forwards: number;
}

const DEPTH_LIMIT = 200;
const SUBSTITUTION_LIMIT = 20_000;

/** The text and the lists that all parts of the parser share. */
export abstract class ItaniumBase {
  readonly s: string;
  i: number;
  depth = 0;
  subs: Node[] = [];
  /** Template arguments of the function that is being read. */
  parameters: Node[] = [];
  forwards: (Node & { k: 'forward' })[] = [];
  inConversion = false;
  conversionNeedsArguments = false;
  inLambda = 0;
  rebinds = 0;
  readonly known = new Map<Node, boolean>();

  readonly verbose: boolean;

  constructor(text: string, from: number, verbose: boolean) {
    this.verbose = verbose;
    this.s = text;
    this.i = from;
  }

  peek(): string {
    return this.s[this.i] ?? '';
  }

  eat(c: string): boolean {
    if (this.s[this.i] !== c) return false;
    this.i++;
    return true;
  }

  eatTwo(two: string): boolean {
    if (!this.s.startsWith(two, this.i)) return false;
    this.i += two.length;
    return true;
  }

  /** The end of an encoding: of the whole, of a nested one, or a compiler's suffix. */
  atEnd(): boolean {
    const c = this.peek();
    return c === '' || c === 'E' || c === '.';
  }

  deeper(): void {
    if (++this.depth > DEPTH_LIMIT) throw FAIL;
  }

  remember(node: Node): Node {
    if (this.subs.length >= SUBSTITUTION_LIMIT) throw FAIL;
    this.subs.push(node);
    return node;
  }

  digits(): string {
    const from = this.i;
    while (this.s.charCodeAt(this.i) >= 48 && this.s.charCodeAt(this.i) <= 57) this.i++;
    if (this.i === from) throw FAIL;
    return this.s.slice(from, this.i);
  }

  /** With `n` for a minus. */
  number(): string {
    return this.eat('n') ? `-${this.digits()}` : this.digits();
  }

  /** A number in base 36 up to its underscore. */
  sequence(): number {
    const end = this.s.indexOf('_', this.i);
    if (end <= this.i || end - this.i > 8) throw FAIL;
    const text = this.s.slice(this.i, end);
    if (!/^[0-9A-Z]+$/.test(text)) throw FAIL;
    this.i = end + 1;
    return parseInt(text, 36);
  }

  /** `_` is 0, `N_` is N + 1. */
  counted(): number {
    if (this.eat('_')) return 0;
    const value = Number(this.digits()) + 1;
    if (!this.eat('_')) throw FAIL;
    return value;
  }

  qualifiers(): string {
    const restrict = this.eat('r');
    const volatile = this.eat('V');
    const constant = this.eat('K');
    return (constant ? ' const' : '') + (volatile ? ' volatile' : '') + (restrict ? ' __restrict' : '');
  }

  sourceName(): Node {
    const length = Number(this.digits());
    if (length === 0 || this.i + length > this.s.length) throw FAIL;
    const text = this.s.slice(this.i, this.i + length);
    this.i += length;
    return { k: 'name', text: /^_GLOBAL_[._$]N/.test(text) ? '(anonymous namespace)' : text };
  }

  abstract encoding(withResult: boolean): Node;
  abstract type(): Node;
  abstract expression(): Node;
  abstract name(state: NameState | null): Node;
}
