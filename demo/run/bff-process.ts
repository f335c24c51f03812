import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { v8Flags } from '../../src/server/v8-flags.ts';
import { startChild, stopChild } from './child.ts';
import { DemoError } from './demo-error.ts';
import { type LogLine, parseLogLine, showLogLine } from './log-lines.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = 'dist/main.js';

/** The BFF as a process of its own. `ended` resolves with its last words, whenever it ends. */
export interface BffProcess {
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/** Starts the real server with the demo's configuration and waits until it listens. */
export async function startBff(
  env: Readonly<Record<string, string>>,
  isVerbose: boolean,
): Promise<BffProcess> {
  if (!existsSync(root + program)) {
    throw new DemoError(`There is no ${program}. Build it first: npm run build`);
  }
  const child = startChild(process.execPath, [...v8Flags, program, '--config', 'demo/bff.yaml'], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { listening, ended } = watch(child, isVerbose);
  const close = () => stopChild(child, 5000);
  const lastWords = await Promise.race([listening, ended, tooLate(30_000)]);
  if (lastWords === undefined) return { ended, close };
  await close();
  throw new DemoError(`The BFF did not start.\n${lastWords}`);
}

function watch(child: ChildProcess, isVerbose: boolean) {
  const listening = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<string>();
  let lastError = '';
  readLines(child.stdout, (text) => {
    const line = parseLogLine(text);
    if (line?.msg === 'listening') listening.resolve(undefined);
    if (line && line.level !== 'warn' && isTrouble(line)) lastError = showLogLine(line);
    if (line && (isVerbose || isTrouble(line))) console.log(showLogLine(line));
    if (!line) console.log(text);
  });
  const errors: string[] = [];
  readLines(child.stderr, (text) => errors.push(text));
  child.once('error', (error) => ended.resolve(error.message));
  child.once('close', (code, signal) => {
    const how = signal ? `It was ended by ${signal}.` : `Its exit code is ${code}.`;
    const why = errors.slice(-20).join('\n') || (lastError && `Its last error: ${lastError}`);
    ended.resolve(why ? `${how}\n${why}` : how);
  });
  return { listening: listening.promise, ended: ended.promise };
}

function readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (stream) createInterface({ input: stream }).on('line', onLine);
}

function isTrouble({ level }: LogLine): boolean {
  return level === 'warn' || level === 'error' || level === 'fatal';
}

function tooLate(milliseconds: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(
    resolve,
    milliseconds,
    `It said nothing for ${milliseconds / 1000} seconds.`,
  );
  timer.unref();
  return promise;
}
