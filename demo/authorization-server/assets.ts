import { readFileSync } from 'node:fs';
import type { Provider } from 'oidc-provider';

const assets: ReadonlyMap<string, { readonly file: string; readonly type: string }> = new Map([
  ['/assets/id.css', { file: 'id.css', type: 'text/css; charset=utf-8' }],
  ['/assets/id.svg', { file: 'id.svg', type: 'image/svg+xml' }],
]);

/** The style sheet and the mark of the sign-in pages, read once. */
export function serveAssets(provider: Provider): void {
  const contents = new Map(
    [...assets].map(([path, { file }]) => [
      path,
      readFileSync(new URL(`./assets/${file}`, import.meta.url)),
    ]),
  );
  provider.use(async (ctx, next) => {
    const asset = assets.get(ctx.path);
    if (!asset) return next();
    ctx.type = asset.type;
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.set('X-Content-Type-Options', 'nosniff');
    ctx.body = contents.get(ctx.path);
  });
}
