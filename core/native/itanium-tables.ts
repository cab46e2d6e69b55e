// Itanium C++ ABI, section 5.1: one-letter and D-types, operators, standard abbreviations.

export const BUILTINS: Readonly<Record<string, string>> = {
  v: 'void', w: 'wchar_t', b: 'bool', c: 'char', a: 'signed char', h: 'unsigned char', s: 'short', t: 'unsigned short', i: 'int',
  j: 'unsigned int', l: 'long', m: 'unsigned long', x: 'long long', y: 'unsigned long long', n: '__int128', o: 'unsigned __int128',
  f: 'float', d: 'double', e: 'long double', g: '__float128', z: '...',
};

export const D_TYPES: Readonly<Record<string, string>> = {
  d: 'decimal64', e: 'decimal128', f: 'decimal32', h: '_Float16', i: 'char32_t', s: 'char16_t', u: 'char8_t', a: 'auto', c: 'decltype(auto)',
  n: 'decltype(nullptr)',
};

/** How literals of a type end; a type that is not here is written as a cast. */
export const LITERAL_ENDS: Readonly<Record<string, string>> = { i: '', j: 'u', l: 'l', m: 'ul', x: 'll', y: 'ull' };

export const STANDARD: Readonly<Record<string, readonly [short: string, full: string, last: string]>> = {
  a: ['std::allocator', 'std::allocator', 'allocator'],
  b: ['std::basic_string', 'std::basic_string', 'basic_string'],
  s: ['std::string', 'std::basic_string<char, std::char_traits<char>, std::allocator<char> >', 'basic_string'],
  i: ['std::istream', 'std::basic_istream<char, std::char_traits<char> >', 'basic_istream'],
  o: ['std::ostream', 'std::basic_ostream<char, std::char_traits<char> >', 'basic_ostream'],
  d: ['std::iostream', 'std::basic_iostream<char, std::char_traits<char> >', 'basic_iostream'],
};

/** Operators with what they look like and how many operands they have in an expression (0 = none of the common shapes). */
export const OPERATORS: Readonly<Record<string, readonly [text: string, operands: number]>> = {
  nw: ['new', 0], na: ['new[]', 0], dl: ['delete', 0], da: ['delete[]', 0], aw: ['co_await', 1], ps: ['+', 1], ng: ['-', 1], ad: ['&', 1], de: ['*', 1],
  co: ['~', 1], pl: ['+', 2], mi: ['-', 2], ml: ['*', 2], dv: ['/', 2], rm: ['%', 2], an: ['&', 2], or: ['|', 2], eo: ['^', 2], aS: ['=', 2],
  pL: ['+=', 2], mI: ['-=', 2], mL: ['*=', 2], dV: ['/=', 2], rM: ['%=', 2], aN: ['&=', 2], oR: ['|=', 2], eO: ['^=', 2], ls: ['<<', 2], rs: ['>>', 2],
  lS: ['<<=', 2], rS: ['>>=', 2], eq: ['==', 2], ne: ['!=', 2], lt: ['<', 2], gt: ['>', 2], le: ['<=', 2], ge: ['>=', 2], ss: ['<=>', 2], nt: ['!', 1],
  aa: ['&&', 2], oo: ['||', 2], pp: ['++', 1], mm: ['--', 1], cm: [',', 2], pm: ['->*', 2], pt: ['->', 0], cl: ['()', 0], ix: ['[]', 0], qu: ['?', 0],
  ds: ['.*', 2],
};
