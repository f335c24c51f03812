import type { TestBrowser } from './browser.ts';

/** Headers of a browser that sends no fetch metadata, navigating to a page. */
export const withoutFetchMetadata = {
  'sec-fetch-mode': null,
  'sec-fetch-dest': null,
  'sec-fetch-site': null,
} as const;

/** Where a page loads by itself at once (`<meta http-equiv="refresh">`). Absent: it stays. */
export function refreshOf({ body }: { readonly body: string }): string | undefined {
  const [, escaped] = /<meta http-equiv="refresh" content="0;url=([^"]*)">/.exec(body) ?? [];
  return escaped?.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
}

/** From now on this browser keeps no cookie of this origin. */
export function refuseCookies({ jar }: TestBrowser, origin: string): void {
  const store = jar.store.bind(jar);
  jar.store = (line, url, context) => {
    if (url.origin !== origin) store(line, url, context);
  };
}
