import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { findChromium, findProgram } from './provision.ts';

const { PATH, CHROMIUM_PATH } = process.env;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'provision-'));
  process.env['PATH'] = [join(directory, 'first'), join(directory, 'second')].join(delimiter);
});

afterEach(() => {
  rmSync(directory, { recursive: true });
  process.env['PATH'] = PATH;
  if (CHROMIUM_PATH === undefined) delete process.env['CHROMIUM_PATH'];
  else process.env['CHROMIUM_PATH'] = CHROMIUM_PATH;
});

function put(folder: string, name: string, mode = 0o755): string {
  const path = join(directory, folder, name);
  mkdirSync(join(directory, folder), { recursive: true });
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}

it('finds the first executable of several names on the PATH', () => {
  put('first', 'redis-server', 0o644);
  mkdirSync(join(directory, 'first', 'valkey-server'));
  const valkey = put('second', 'valkey-server');
  expect(findProgram('redis-server', 'valkey-server')).toBe(valkey);
  const redis = put('second', 'redis-server');
  expect(findProgram('redis-server', 'valkey-server')).toBe(redis);
  expect(findProgram('nothing')).toBeUndefined();
});

it('takes the configured Chromium, or none', async () => {
  process.env['CHROMIUM_PATH'] = put('third', 'my-chromium');
  await expect(findChromium()).resolves.toBe(join(directory, 'third', 'my-chromium'));
  process.env['CHROMIUM_PATH'] = join(directory, 'missing');
  await expect(findChromium()).resolves.toBeUndefined();
});
