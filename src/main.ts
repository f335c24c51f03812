#!/usr/bin/env node
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { version } from './version.ts';

/**
 * The code of two thousand modules is compiled at every start, so what comes of it is kept: beside
 * the code itself, where whoever may write may write the code as well. A cache that others may
 * write, in `/tmp` say, would be theirs to plant code in. Where nothing may be written nothing is
 * kept. Node.js before 22 has no such cache, and is told below that it is too old.
 */
module.enableCompileCache?.(fileURLToPath(new URL('../.compile-cache', import.meta.url)));

const usage = `pixie-bff [serve] [--config bff.yaml]         run the server
pixie-bff check [--config bff.yaml] [--json]  look at the configuration and all it names
pixie-bff version                             print the version`;

/** A command line that means nothing to us. */
class UsageError extends Error {}

interface Arguments {
  readonly command: string;
  readonly config: string | undefined;
  readonly json: boolean;
}

/**
 * Only the command that was asked for is loaded: nobody waits for NestJS to be told a version. And
 * it is loaded from here, because what this file imported by itself would be compiled before the
 * cache is open.
 */
async function main(): Promise<void> {
  const [major] = process.versions.node.split('.');
  if (Number(major) < 24) throw new UsageError(`Pixie BFF needs Node.js 24; this is ${major}.`);
  const { command, config, json } = readArguments();
  switch (command) {
    case 'serve':
      return (await import('./server/serve.ts')).serve(config);
    case 'check':
      return printCheck(config, json);
    case 'version':
      return console.log(version);
    case 'help':
      return console.log(usage);
    default:
      throw new UsageError(`There is no command ${command}.`);
  }
}

function readArguments(): Arguments {
  const { positionals, values } = parse();
  const [named = 'serve', ...rest] = positionals;
  const command = values.help ? 'help' : values.version ? 'version' : named;
  if (rest.length > 0) throw new UsageError(`${rest.join(' ')}: one command is enough.`);
  if (values.json && command !== 'check') throw new UsageError('--json belongs to check.');
  return { command, config: values.config, json: values.json ?? false };
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    });
  } catch (error) {
    const [sentence] = (error as Error).message.split('. ', 1);
    throw new UsageError(`${sentence}.`, { cause: error });
  }
}

async function printCheck(config: string | undefined, json: boolean): Promise<void> {
  const { check, describeReport } = await import('./cli/check.ts');
  const report = await check(config);
  const text = json ? JSON.stringify(report, undefined, 2) : describeReport(report);
  // What was too slow to answer is still being waited for.
  process.stdout.write(`${text}\n`, () => process.exit(report.ok ? 0 : 1));
}

/**
 * Whatever stops a command is one clear text on standard error and exit code 1; a stack is for our
 * own mistakes alone.
 */
async function refuse(error: unknown): Promise<void> {
  const { ConfigurationError } = await import('./config/load.ts');
  if (error instanceof ConfigurationError) console.error(error.message);
  else if (error instanceof UsageError) console.error(`${error.message}\n\n${usage}`);
  else console.error(error);
  process.exit(1);
}

main().catch(refuse);
