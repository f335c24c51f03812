/// <reference lib="dom" />
import type { BrowserContext, Page } from 'playwright-core';
import type { BffClient, BffClientOptions, BffState } from '../../client/client.ts';
import type { Handler } from '../support/upstream/responses.ts';

declare global {
  interface Window {
    /** The client of the page, as its BFF serves it. */
    client: BffClient;
    createBffClient: (options?: BffClientOptions) => BffClient;
    /** The event streams that this page has opened. */
    streams: EventSource[];
    /** Every state that the page has shown, and when (epoch milliseconds). */
    shown: { readonly state: BffState; readonly at: number }[];
  }
}

/**
 * A page with a form that says who is signed in. Its client is that of the BFF at `basePath`, with
 * the options in `?options=`.
 */
export function clientPage(basePath = '/bff'): Handler {
  const html = `<!doctype html><meta charset="utf-8"><title>Orders</title>
<p role="status"></p>
<button id="sign-in">Sign in</button>
<textarea></textarea><button id="send">Send</button><p id="response"></p>
<script>
  window.streams = []
  window.shown = []
  const { EventSource: Stream } = window
  window.EventSource = class extends Stream {
    constructor(url) {
      super(url)
      streams.push(this)
    }
  }
</script>
<script type="module">
  import { createBffClient } from '${basePath}/client.js'
  const options = JSON.parse(new URLSearchParams(location.search).get('options') ?? '{}')
  const client = createBffClient(options)
  const say = () => {
    const state = client.getSnapshot()
    shown.push({ state, at: Date.now() })
    document.querySelector('[role=status]').textContent =
      state.user ? 'Hello, ' + state.user.claims.name : state.status + ' ' + (state.reason ?? '')
  }
  Object.assign(window, { client, createBffClient })
  client.subscribe(say)
  say()
  document.querySelector('#sign-in').onclick = () => client.login({ popup: true, provider: 'corp' })
  document.querySelector('#send').onclick = async () => {
    const body = document.querySelector('textarea').value
    const response = await client.fetch('/api/orders', { method: 'POST', body })
    document.querySelector('#response').textContent = response.status
  }
</script>`;
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(html);
  };
}

/** Opens the page in a new tab. */
export async function openTab(
  context: BrowserContext,
  url: string,
  options: BffClientOptions = {},
): Promise<Page> {
  const page = await context.newPage();
  const query = new URLSearchParams({ options: JSON.stringify(options) });
  await page.goto(`${url}/?${query}`);
  return page;
}

/** Waits until the page says this. */
export async function says(page: Page, text: string): Promise<void> {
  await page.getByRole('status').getByText(text, { exact: true }).waitFor();
}

/** The state of the client of a page. */
export function stateOf(page: Page): Promise<BffState> {
  return page.evaluate(() => window.client.getSnapshot());
}

/** How many event streams of these tabs are open. */
export async function openStreams(tabs: readonly Page[]): Promise<number> {
  const counts = tabs.map((tab) =>
    tab.evaluate(() => window.streams.filter(({ readyState }) => readyState === 1).length),
  );
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}
