const SYSTEM = ['/usr/', '/lib/', '/lib64/', '/bin/', '/sbin/', '/opt/', '/nix/', '/snap/', '/proc/', '/sys/', '/dev/'];
const INSTALLED = /\/(?:site-packages|dist-packages|node_modules|\.pyenv|\.cargo|\.rustup|\.nvm|(?:mini|ana|mamba)(?:conda|forge)\d?|lib\/python\d[^/]*)\//;

/** Whether a file is the user's own: under the target's directory, and not installed or the system's. */
export function isOwnFile(path: string, directory: string): boolean {
  if (directory === '' || directory === '/') return false;
  const root = directory.endsWith('/') ? directory : `${directory}/`;
  if (!path.startsWith(root)) return false;
  const inside = path.slice(root.length - 1);
  if (INSTALLED.test(inside)) return false;
  // A target that lives below a system directory itself has its own code there.
  return !SYSTEM.some((system) => path.startsWith(system) && !root.startsWith(system));
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
