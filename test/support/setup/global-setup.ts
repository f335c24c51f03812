import { isUp, startRedis } from '../redis/server.ts';
import { findChromium } from './provision.ts';
import { endRun, runDirectory } from './run-directory.ts';

/** Starts what the tests need, and passes the addresses on in environment variables. */
export default async function globalSetup(): Promise<void> {
  runDirectory();
  try {
    process.env['PIXIE_TEST_REDIS_URL'] = await provideRedis();
    await provideChromium();
  } catch (error) {
    endRun();
    throw error;
  }
}

async function provideRedis(): Promise<string> {
  const given = process.env['REDIS_URL'];
  if (!given) return (await startRedis()).url;
  const { hostname, port, protocol } = new URL(given);
  const isPlain = protocol === 'redis:';
  if (isPlain && !(await isUp(Number(port || 6379), hostname))) {
    throw new Error(`REDIS_URL is set, but no Redis answers PING at ${hostname}:${port || 6379}.`);
  }
  return given;
}

async function provideChromium(): Promise<void> {
  const chromium = await findChromium();
  if (chromium) {
    process.env['PIXIE_TEST_CHROMIUM'] = chromium;
    return;
  }
  const reason = process.env['CHROMIUM_PATH']
    ? 'CHROMIUM_PATH names no program'
    : 'no Chromium: set CHROMIUM_PATH, or install chromium or Google Chrome, to run them';
  process.env['PIXIE_TEST_CHROMIUM_MISSING'] = reason;
  console.warn(`\nBROWSER TESTS WILL NOT RUN: ${reason}.\n`);
}
