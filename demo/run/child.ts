import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';

/**
 * Starts a program of its own process group, so that Ctrl-C reaches us alone and we end things in
 * order.
 */
export function startChild(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const child = spawn(command, args, { ...options, detached: true });
  const killNow = () => child.kill('SIGKILL');
  // The last resort, for an exit nobody prepared.
  process.once('exit', killNow);
  child.once('exit', () => process.off('exit', killNow));
  return child;
}

/** Asks a program to end, and insists after so many milliseconds. */
export async function stopChild(child: ChildProcess, timeoutMilliseconds: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const insist = setTimeout(() => child.kill('SIGKILL'), timeoutMilliseconds);
  await ended;
  clearTimeout(insist);
}
