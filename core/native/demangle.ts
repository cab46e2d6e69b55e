export function readableName(symbol: string): { name: string; language: 'c++' | 'rust' | 'other' } {
  return { name: symbol, language: 'other' };
}
