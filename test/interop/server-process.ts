import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { forgetProcess, noteProcess } from '../support/setup/run-directory.ts';
import { waitFor } from '../support/time/wait-for.ts';

/** How to start a server, and how to see that it is ready. */
export interface Start {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** An address that answers with 200 as soon as the server is ready. */
  readonly ready: string;
}

const mostOutput = 64 * 1024;
const startTime = 5 * 60_000;

/**
 * Starts a server with all the processes it makes of itself, politely, and waits until it answers.
 */
export async function startProcess({ program, args, cwd, env, ready }: Start): Promise<Process> {
  const child = spawn('nice', ['-n', '10', program, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what it starts ends with it.
    detached: true,
  });
  await once(child, 'spawn');
  const group = -(child.pid ?? 0);
  noteProcess(group);
  let output = '';
  const keep = (text: string) => (output = (output + text).slice(-mostOutput));
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const started: Process = {
    get output() {
      return output;
    },
    [Symbol.asyncDispose]: async () => {
      const end = hasEnded() ? undefined : once(child, 'exit');
      killGroup(group);
      await end;
      forgetProcess(group);
    },
  };
  try {
    await waitFor(() => hasEnded() || isReachable(ready), { timeout: startTime, interval: 200 });
    if (hasEnded()) throw new Error(`${program} ended at once`);
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw new Error(`${program} did not start:\n${output}`, { cause: error });
  }
  return started;
}

/** A server that runs. Disposing of it ends it at once, with all its children. */
export interface Process extends AsyncDisposable {
  /** The end of what it printed. */
  readonly output: string;
}

async function isReachable(address: string): Promise<boolean> {
  const response = await fetch(address, { signal: AbortSignal.timeout(5_000) });
  await response.body?.cancel();
  return response.status === 200;
}

function killGroup(group: number): void {
  try {
    process.kill(group, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
