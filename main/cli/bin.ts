#!/usr/bin/env node
import { processIo } from './io.ts';
import { cli } from './main.ts';

process.exit(await cli(process.argv.slice(2), processIo()));
