#!/usr/bin/env node
import { parseArgs } from 'node:util';
import 'reflect-metadata';
import { ConfigurationError } from './config/load.ts';
import { serve } from './serve.ts';
import { version } from './version.ts';

const usage = `pixie-bff [serve] [--config bff.yaml]   run the server
pixie-bff version                       print the version`;

/** Runs the command. Whatever stops it is one clear text on standard error and exit code 1. */
async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { config: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  const [command = 'serve'] = positionals;
  if (values.help) return console.log(usage);
  if (command === 'version') return console.log(version);
  if (command !== 'serve') throw new Error(`There is no command ${command}.\n${usage}`);
  await serve(values.config);
}

main().catch((error: unknown) => {
  const isForTheOperator = error instanceof ConfigurationError || error instanceof Error;
  console.error(isForTheOperator ? error.message : error);
  process.exit(1);
});
