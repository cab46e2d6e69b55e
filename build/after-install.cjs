// Runs after `npm ci`, on whatever Node that is. node-pty is an optional dependency only so that this can say in one
// line what is missing when it could not be compiled; nothing works without it.
'use strict';
try {
  require('node-pty');
} catch {
  const fix = require('node:fs').existsSync('/etc/debian_version')
    ? 'sudo apt-get install -y build-essential python3'
    : 'install a C++ compiler, make and python3';
  process.stderr.write(`\nFlamebench: the terminal part (node-pty) could not be compiled. ${fix}, then run npm ci again.\n`);
  process.exit(1);
}
