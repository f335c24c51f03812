#!/usr/bin/env -S node --external-memory-accounted-in-global-limit --no-allocation-site-pretenuring --min-semi-space-size=16 --max-semi-space-size=32
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { version } from './version.ts';

/**
 * Caches the compiled code of about two thousand modules, so that later starts are faster. The
 * cache is next to the code: a user who can write there can change the code as well. In a shared
 * directory such as `/tmp`, another user could put other code in the cache. If the directory is
 * read-only, nothing is cached. Node.js before 22 has no such cache; `main` rejects those versions.
 */
module.enableCompileCache?.(fileURLToPath(new URL('../.compile-cache', import.meta.url)));

const usage = `pixie-bff [serve] [--config bff.yaml]         run the server
pixie-bff check [--config bff.yaml] [--json]  look at the configuration and all it names
pixie-bff version                             print the version`;

/** The command line is invalid. */
class UsageError extends Error {}

interface Arguments {
  readonly command: string;
  readonly config: string | undefined;
  readonly json: boolean;
}

/**
 * Runs a command and loads only the modules it needs: printing the version does not load NestJS.
 * The imports are dynamic because static ones would be compiled before the cache is enabled.
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
  // `process.exit` is needed because checks that timed out are still pending.
  process.stdout.write(`${text}\n`, () => process.exit(report.ok ? 0 : 1));
}

/**
 * Prints why a command failed and exits with code 1. The stack is printed only for unexpected
 * errors.
 */
async function exitWithError(error: unknown): Promise<void> {
  const { ConfigurationError } = await import('./config/load.ts');
  if (error instanceof ConfigurationError) console.error(error.message);
  else if (error instanceof UsageError) console.error(`${error.message}\n\n${usage}`);
  else console.error(error);
  process.exit(1);
}

main().catch(exitWithError);
