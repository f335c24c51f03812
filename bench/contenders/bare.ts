import { startChild } from '../child.ts';
import type { Recipe } from '../contender.ts';
import { peer } from '../backends.ts';

/** Node's HTTP server and undici, nothing in between: the limit. */
export const bare: Recipe = {
  name: 'bare',
  title: 'bare Node.js http → undici',
  start: ({ upstream }, port) =>
    startChild({
      program: process.execPath,
      args: [peer('bare-proxy.js'), String(port), upstream],
      port,
      env: { NODE_ENV: 'production' },
    }),
};
