import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OptionsInput } from '../../../src/config/options.ts';
import { v8Flags } from '../../../src/server/v8-flags.ts';
import { freePort } from '../network/ports.ts';
import { forgetProcess, noteProcess, runDirectory } from '../setup/run-directory.ts';
import { waitFor } from '../time/wait-for.ts';
import { listen } from '../upstream/upstream.ts';

export const program = fileURLToPath(new URL('../../../dist/main.js', import.meta.url));

/** A configuration with free ports, nothing behind it, and no Redis. */
export async function plainOptions(changes: object = {}): Promise<OptionsInput> {
  const [port, managementPort] = [await freePort(), await freePort()];
  return {
    publicUrl: `http://localhost:${port}`,
    server: { port, host: '127.0.0.1' },
    management: { port: managementPort },
    session: { secrets: ['a session secret for tests, long enough'] },
    providers: [
      {
        id: 'corp',
        issuer: `http://127.0.0.1:${await freePort()}`,
        clientId: 'x',
        clientSecret: 'y',
      },
    ],
    ...changes,
  } as OptionsInput;
}

/** Writes a configuration file; a text is written as it is. */
export function writeConfig(options: OptionsInput | string): string {
  const file = join(mkdtempSync(join(runDirectory(), 'config-')), 'bff.yaml');
  // JSON is YAML.
  writeFileSync(file, typeof options === 'string' ? options : JSON.stringify(options));
  return file;
}

/**
 * The built `pixie-bff` as a process of its own, in an empty directory and an environment with
 * nothing but `env`.
 */
export class Command {
  stdout = '';
  stderr = '';
  readonly exit: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #child: ChildProcess;

  constructor(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    flags: readonly string[] = v8Flags,
  ) {
    const cwd = mkdtempSync(join(runDirectory(), 'cwd-'));
    this.#child = spawn(process.execPath, [...flags, program, ...args], { cwd, env });
    const pid = this.#child.pid ?? 0;
    noteProcess(pid);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.exit = once(this.#child, 'close').then(([code, signal]) => {
      forgetProcess(pid);
      return { code: code as number | null, signal: signal as string | null };
    });
  }

  /** Leaves standard output unread, as a log shipper that hangs. */
  pauseReading(): void {
    this.#child.stdout?.pause();
  }

  resumeReading(): void {
    this.#child.stdout?.resume();
  }

  /** Every line of standard output, parsed. */
  get lines(): Record<string, unknown>[] {
    const complete = this.stdout.split('\n').slice(0, -1);
    return complete.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Waits for the log line with this message. */
  line(message: string): Promise<Record<string, unknown>> {
    return waitFor(() => this.lines.find(({ msg }) => msg === message) ?? this.#refuseWhenDead());
  }

  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void {
    this.#child.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null)
      this.#child.kill('SIGKILL');
    await this.exit;
  }

  #refuseWhenDead(): false {
    if (this.#child.exitCode === null) return false;
    throw new Error(`It ended with ${this.#child.exitCode}:\n${this.stdout}\n${this.stderr}`);
  }
}

/** Runs the command to its end. */
export async function run(
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  await using command = new Command(args, env);
  const { code } = await command.exit;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** Starts the server and waits until it listens. */
export async function startServer(
  options: OptionsInput,
  env?: Readonly<Record<string, string>>,
): Promise<Command> {
  const server = new Command(['--config', writeConfig(options)], env);
  try {
    await server.line('listening');
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

/** Runs the built server while another program listens on the port of this block. */
export async function runWithTakenPort(options: OptionsInput, block: 'server' | 'management') {
  const occupied = createServer();
  const { port } = await listen(occupied, 0);
  const taken = { ...options, [block]: { ...options[block], port, host: '127.0.0.1' } };
  const result = await run(['--config', writeConfig(taken as OptionsInput)]);
  occupied.close();
  return { port, ...result };
}
