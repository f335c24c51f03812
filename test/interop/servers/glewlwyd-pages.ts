import assert from 'node:assert/strict';
import type { TestBrowser, Page } from '../../support/browser/browser.ts';

/** The applications of a session, and what each is to be told. */
interface SessionList {
  readonly iss: string;
  readonly sid: string;
  readonly client: readonly { readonly frontchannel_logout_uri?: string }[];
}

/**
 * Glewlwyd's pages are made by a script; here is what it asks the server when a person uses them.
 */
export class GlewlwydPages {
  readonly #origin: string;
  readonly #plugin: string;

  constructor(origin: string, plugin: string) {
    this.#origin = origin;
    this.#plugin = plugin;
  }

  /** The sign-in form, the question which scopes to grant, and on to where the page was to lead. */
  async signIn(browser: TestBrowser, page: Page): Promise<Page> {
    const parameters = new URL(page.url).searchParams;
    await this.#call(browser, 'POST', '/auth/', { username: 'alice', password: 'pixie-pixie' });
    const grant = `/auth/grant/${parameters.get('client_id')}`;
    await this.#call(browser, 'PUT', grant, { scope: parameters.get('scope') });
    return browser.click(`${parameters.get('callback_url')}&g_continue`);
  }

  /** "Sign out everywhere" in the page to which an application sent the browser. */
  async confirmSignOut(browser: TestBrowser, page: Page): Promise<Page> {
    const parameters = new URL(page.url).searchParams;
    await this.#endSession(browser, parameters.get('sid') ?? '');
    return browser.click(parameters.get('callback_url') ?? '');
  }

  /**
   * The same without an application that asked; the page has a frame for each that wants to be told
   * in one.
   */
  async signOut(browser: TestBrowser, clientId: string): Promise<Page> {
    const page = await browser.navigate(`${this.#origin}/login.html`);
    const cookie = browser.cookies(this.#origin).find(({ name }) => name.endsWith('_SID'));
    const sid = cookie?.value ?? '';
    const address = `${this.#origin}/api/${this.#plugin}/session/${sid}/${clientId}`;
    const list = (await (await browser.fetch(address)).json()) as SessionList;
    await this.#endSession(browser, sid);
    const frames = list.client.flatMap(({ frontchannel_logout_uri: uri }) =>
      uri ? `<iframe src="${uri}?iss=${list.iss}&amp;sid=${list.sid}"></iframe>` : [],
    );
    return { ...page, body: frames.join('') };
  }

  async #endSession(browser: TestBrowser, sid: string): Promise<void> {
    await this.#call(browser, 'DELETE', `/${this.#plugin}/session/${sid}`);
    await this.#call(browser, 'DELETE', '/auth/');
  }

  async #call(browser: TestBrowser, method: string, path: string, body?: object): Promise<void> {
    const address = `${this.#origin}/api${path}`;
    const response = await browser.fetch(address, { method, ...(body && { body }) });
    assert(response.ok, `${method} ${path}: ${response.status} ${await response.text()}`);
  }
}
