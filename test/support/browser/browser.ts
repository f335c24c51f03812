import { text } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import type { BrowserOptions, FetchOptions, Hop, NavigateOptions, Page } from './options.ts';
import {
  asResponse,
  encodeBody,
  isRedirect,
  navigationHeaders,
  scriptHeaders,
} from './requests.ts';
import { CookieJar, type StoredCookie } from './cookie-jar.ts';
import { autoSubmittedForm, formWith } from './forms.ts';
import { HttpClient } from './http-client.ts';
import { RequestChain, type Start } from './request-chain.ts';

export type { BrowserOptions, FetchOptions, NavigateOptions, Page } from './options.ts';

const mostHops = 20;

/**
 * A browser for tests: cookies, `SameSite`, redirects and `Sec-Fetch-*` as browsers implement them.
 * Two instances share nothing.
 */
export class TestBrowser {
  readonly jar: CookieJar;
  /** The address of the page it shows. */
  location: string;
  readonly #home: string;
  readonly #http: HttpClient;
  readonly #countRedirects: boolean;

  constructor({ origin, ca, redirectChains = 'count', now }: BrowserOptions) {
    this.location = new URL('/', origin).href;
    this.#home = new URL(origin).origin;
    this.jar = new CookieJar(now);
    this.#http = new HttpClient(ca);
    this.#countRedirects = redirectChains === 'count';
  }

  /**
   * Sends requests to its first origin to this port from now on: another replica behind the same
   * address.
   */
  via(port: number): this {
    this.#http.balance(this.#home, port);
    return this;
  }

  /** The cookies a page of this origin owns; its first origin when not given. */
  cookies(origin: string = this.#home): StoredCookie[] {
    return this.jar.all(new URL(origin));
  }

  /**
   * The `Cookie` header of a same-origin request, for clients of your own (a WebSocket, a raw
   * socket).
   */
  cookieHeader(path = '/'): string {
    return this.jar.header(new URL(path, this.#home), { sameSite: true, topLevel: 'no' });
  }

  /** Closes its connections; later requests open new ones. */
  close(): void {
    this.#http.close();
  }

  /** Follows a link on the page it shows. */
  click(address: string, options: NavigateOptions = {}): Promise<Page> {
    const url = new URL(address, this.location).href;
    return this.navigate(url, { from: this.location, ...options });
  }

  /** Types these values into the form of a page that has such fields, and submits it. */
  async submit(page: Page, values: Readonly<Record<string, string>>): Promise<Page> {
    const form = formWith(page.body, Object.keys(values));
    if (!form) throw new Error(`${page.url} has no form with ${Object.keys(values).join(', ')}`);
    const action = new URL(form.action || page.url, page.url).href;
    const fields = { ...Object.fromEntries(form.fields), ...values };
    return this.navigate(action, { from: page.url, form: fields });
  }

  /**
   * Goes to an address (a path is one of its first origin), follows up to 20 redirects and
   * self-submitting forms, and shows the page it ends on. An iframe leaves the page as it is.
   */
  async navigate(address: string, options: NavigateOptions = {}): Promise<Page> {
    const { form, dest = 'document' } = options;
    const history: Hop[] = [];
    const around = dest === 'iframe' ? new URL(this.location) : undefined;
    const from = options.from ? new URL(options.from) : around;
    let chain = this.#chain({
      url: new URL(address, this.#home),
      method: options.method ?? (form ? 'POST' : 'GET'),
      body: form && new URLSearchParams(form).toString(),
      initiator: from,
      around,
    });
    while (history.length <= mostHops) {
      const response = await this.#send(chain, navigationHeaders(chain, options), { history });
      const body = await text(response);
      const next = this.#next(chain, response, body, options);
      if (!next) {
        if (!around) this.location = chain.url.href;
        const { status, headers } = asResponse(response, '');
        return { url: chain.url.href, status, headers, body, history };
      }
      chain = next;
    }
    throw new Error(`Too many redirects: ${history.map(({ url }) => url).join(' -> ')}`);
  }

  /**
   * Sends a request as a script of the page does. Read or cancel the body of the returned
   * `Response`.
   */
  async fetch(address: string, options: FetchOptions = {}): Promise<Response> {
    const page = new URL(options.from ?? this.location);
    const chain = this.#chain({
      url: new URL(address, page),
      method: options.method ?? 'GET',
      initiator: page,
      around: page,
    });
    for (let hops = 0; hops <= mostHops; hops += 1) {
      const { body, signal, credentials } = options;
      const isOwnOrigin = chain.url.origin === page.origin;
      const withCookies = credentials === 'include' || (credentials !== 'omit' && isOwnOrigin);
      const headers = scriptHeaders(chain, page, options);
      const response = await this.#send(chain, headers, { body, signal, withCookies });
      if (!isRedirect(response) || options.redirect === 'manual') return asResponse(response);
      response.resume();
      chain.redirect(response);
    }
    throw new Error(`Too many redirects from ${address}`);
  }

  /** The cookies that scripts of the page it shows can read: those without `HttpOnly`. */
  get documentCookie(): string {
    const visible = this.cookies(this.location).filter(({ httpOnly }) => !httpOnly);
    return visible.map(({ name, value }) => `${name}=${value}`).join('; ');
  }

  #chain(start: Start): RequestChain {
    return new RequestChain(start, this.#countRedirects);
  }

  /** Where the page sends the browser next by itself; undefined when it is the page to show. */
  #next(
    chain: RequestChain,
    response: IncomingMessage,
    body: string,
    { redirect }: NavigateOptions,
  ): RequestChain | undefined {
    if (redirect === 'manual') return undefined;
    if (isRedirect(response)) return chain.redirect(response);
    const form = autoSubmittedForm(body);
    if (!form) return undefined;
    const url = new URL(form.action, chain.url);
    const fields = form.fields.toString();
    const { around } = chain;
    return this.#chain({ url, method: 'POST', body: fields, initiator: chain.url, around });
  }

  async #send(
    chain: RequestChain,
    headers: Readonly<Record<string, string>>,
    { body, signal, withCookies = true, history }: Sending,
  ): Promise<IncomingMessage> {
    const { url, method, cookieContext } = chain;
    const cookie = withCookies ? this.jar.header(url, cookieContext) : '';
    const response = await this.#http.send({
      method,
      url,
      headers: { ...(cookie && { cookie }), ...headers },
      body: chain.isSafe ? undefined : (chain.body ?? encodeBody(body)),
      signal,
    });
    const setCookie = response.headers['set-cookie'] ?? [];
    if (withCookies) for (const line of setCookie) this.jar.store(line, url, cookieContext);
    const { statusCode: status = 0, headers: responseHeaders } = response;
    const { location } = responseHeaders;
    history?.push({
      method,
      url: url.href,
      requestHeaders: headers,
      cookie,
      status,
      location,
      setCookie,
    });
    return response;
  }
}

interface Sending {
  readonly body?: FetchOptions['body'] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly withCookies?: boolean;
  readonly history?: Hop[];
}
