// Which Python source file belongs to whom, told from its path alone.
import { isOwnFile } from '#core/native/own-code';

export interface PythonFile {
  /** Top package or module: `torch`, `threading`; the first name under the target's directory for own code; '' where unknown. */
  readonly library: string;
  /** Under the target's directory and neither installed nor part of Python. */
  readonly own: boolean;
}

const INSTALLED = /\/(?:site-packages|dist-packages)\/([^/]+)/;
const STANDARD = /\/lib(?:64)?\/python\d+(?:\.\d+)?[dmt]*\/(?:lib-dynload\/)?([^/]+)/;

/** Sorts a file by its path. `directory` is where the target runs, '' = unknown. */
export function pythonFile(file: string, directory: string): PythonFile {
  if (file.startsWith('<')) {
    // <frozen importlib._bootstrap>, <string>, <stdin>, <__array_function__ internals>
    const frozen = /^<frozen ([\w]+)/.exec(file);
    return { library: frozen === null ? '' : frozen[1], own: false };
  }
  const installed = INSTALLED.exec(file);
  if (installed !== null) return { library: moduleName(installed[1]), own: false };
  const standard = STANDARD.exec(file);
  if (standard !== null) return { library: moduleName(standard[1]), own: false };
  const base = directory === '' || directory.endsWith('/') ? directory : `${directory}/`;
  if (base !== '' && file.startsWith(base)) return { library: moduleName(file.slice(base.length).split('/')[0]), own: isOwnFile(file, directory) };
  // A relative path is relative to where the target was started.
  if (!file.startsWith('/') && file !== '' && directory !== '') return { library: moduleName(file.replace(/^\.\//, '').split('/')[0]), own: true };
  return { library: '', own: false };
}

function moduleName(part: string): string {
  return part.replace(/\.(?:py|pyx|pyc|so)$/, '').replace(/\.cpython-.*$/, '');
}
