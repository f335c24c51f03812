import { startChild } from '../child.ts';
import type { Recipe } from '../contender.ts';
import { v8Flags } from '../../src/server/v8-flags.ts';
import { peer } from '../backends.ts';

/** Node's HTTP server and undici, nothing in between, with the flags of V8 that the BFF has. */
export const bare: Recipe = {
  name: 'bare',
  title: 'bare Node.js http → undici',
  start: ({ upstream }, port) =>
    startChild({
      program: process.execPath,
      args: [...v8Flags, peer('bare-proxy.js'), String(port), upstream],
      port,
      env: { NODE_ENV: 'production' },
    }),
};
