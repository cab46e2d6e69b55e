import type { FunctionFacts } from '#core/model/tables';

/** A function of a format that gives a name and a source file: its kind comes from the file's ending. */
export function sourceFunction(name: string, file: string): FunctionFacts {
  const path = file.replace(/\?.*$/s, '');
  if (/\.py[xdw]?$/.test(path) || /^<(frozen |string|stdin|module|ipython)/.test(path)) return { name, file, kind: 'python' };
  if (/\.([cm]?[jt]sx?)$/.test(path) || /^(node:|https?:|file:|webpack)/.test(path)) return { name, file, kind: 'javascript' };
  if (/\.rs$/.test(path)) return { name, file, kind: 'rust' };
  if (/\.cu[h]?$/.test(path)) return { name, file, kind: 'cuda' };
  if (/\.(java|kt|scala)$/.test(path)) return { name, file, kind: 'java' };
  if (path === '[kernel]' || path === '[kernel.kallsyms]' || /(^|\/)vmlinux$/.test(path)) return { name, library: '[kernel]', kind: 'kernel' };
  if (/\.so(\.[\d.]+)?$/.test(path)) return { name, library: path.slice(path.lastIndexOf('/') + 1), kind: 'native' };
  return { name, file, kind: file === '' ? 'unknown' : 'native' };
}
