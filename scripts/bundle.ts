import { chmod } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

/**
 * Makes a few files of the two thousand modules behind the command `dist/main.js`: to find and read
 * them takes longer than all else that a start does (decision 25). What applications import,
 * `dist/index.js`, stays as it was compiled beside it, and shares NestJS with them.
 */
await build({
  input: { main: `${dist}/main.js` },
  platform: 'node',
  external: [
    // Looks for the program of its worker threads beside itself.
    'pino',
    // NestJS asks whether they are there, and they are not.
    /^@nestjs\/(microservices|websockets)(\/|$)/,
    'class-transformer',
    'class-validator',
    // So does the client of Redis.
    '@node-rs/xxhash',
    // Loaded only if an authorization server for our own clients is configured.
    'oidc-provider',
  ],
  output: { dir: dist, chunkFileNames: 'command-[hash].js' },
});

/** What the BFF serves as `client.js`: one small file, while the package has readable modules. */
await build({
  input: fileURLToPath(new URL('../client/served.ts', import.meta.url)),
  platform: 'browser',
  output: { file: `${dist}/client/served.js`, minify: true },
});

// Its first line names the flags of Node.js.
await chmod(`${dist}/main.js`, 0o755);
