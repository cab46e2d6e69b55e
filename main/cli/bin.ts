#!/usr/bin/env node
import { useCompileCache } from '../compile-cache.ts';

useCompileCache();
const { processIo } = await import('./io.ts');
const { cli } = await import('./main.ts');
process.exit(await cli(process.argv.slice(2), processIo()));
