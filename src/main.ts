#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { ConfigurationError } from './config/load.ts';
import { version } from './version.ts';

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

/** Only the command that was asked for is loaded: nobody waits for NestJS to be told a version. */
async function main(): Promise<void> {
  const [major] = process.versions.node.split('.');
  if (Number(major) < 24) throw new UsageError(`Pixie BFF needs Node.js 24; this is ${major}.`);
  const { command, config, json } = readArguments();
  switch (command) {
    case 'serve':
      return (await import('./serve.ts')).serve(config);
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
  const { check, describeReport } = await import('./check.ts');
  const report = await check(config);
  const text = json ? JSON.stringify(report, undefined, 2) : describeReport(report);
  // What was too slow to answer is still being waited for.
  process.stdout.write(`${text}\n`, () => process.exit(report.ok ? 0 : 1));
}

/** Whatever stops a command is one clear text on standard error and exit code 1; a stack is for our own mistakes alone. */
main().catch((error: unknown) => {
  if (error instanceof ConfigurationError) console.error(error.message);
  else if (error instanceof UsageError) console.error(`${error.message}\n\n${usage}`);
  else console.error(error);
  process.exit(1);
});
