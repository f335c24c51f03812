import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'rolldown';
import { compile } from 'svelte/compiler';

/** Compiles components of Svelte. */
const svelte: Plugin = {
  name: 'svelte',
  transform: {
    filter: { id: /\.svelte$/ },
    handler: (source, filename) => compile(source, { filename, generate: 'client' }).js.code,
  },
};

/**
 * Bundles the applications into the directory of the first argument, as their developers would. It
 * is a program of its own because rolldown does not run inside Jest.
 */
await build({
  input: ['react', 'vue', 'svelte'].map((name) =>
    fileURLToPath(new URL(`${name}.ts`, import.meta.url)),
  ),
  platform: 'browser',
  plugins: [svelte],
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  // "use client" is for servers that render React.
  checks: { moduleLevelDirective: false },
  output: { dir: process.argv[2] ?? '' },
});
