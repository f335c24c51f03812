/// <reference lib="dom" />
import type { Page } from 'playwright-core';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { freePort } from '../support/network/ports.ts';
import { startReverseProxy } from '../support/network/reverse-proxy.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { echo, startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { type Handler, inTurn, passOn, respondWith } from '../support/upstream/responses.ts';
import { clientPage, openTab, says, stateOf } from './client-page.ts';

const alice = 'Hello, Alice Adams';
const html = { 'content-type': 'text/html' };

/** A provider that waits for a click, as one with a form does. */
const signInPage: Handler = (request, response) => {
  const page = `<!doctype html><title>Provider</title><a href="${request.url?.replaceAll('&', '&amp;')}">Go on</a>`;
  response.writeHead(200, html).end(page);
};

const problem = (code: string, loginUrl?: string) =>
  respondWith(401, { code, loginUrl }, { 'content-type': 'application/problem+json' });

describeInChromium('signing in with the browser client, in Chromium', (open) => {
  let web: Upstream;
  let bff: TestBff;

  beforeAll(async () => {
    web = await startUpstream(clientPage());
    bff = await startBff({
      frontend: { url: web.url, contentSecurityPolicy: 'off' },
      routes: (usual, { upstream: { url } }) => [
        usual,
        { path: '/open', upstream: url, token: 'none', csrf: false },
        { path: '/strong', upstream: url, acr: 'urn:test:mfa' },
      ],
    });
  });
  afterAll(async () => {
    await bff.close();
    await web.close();
  });
  beforeEach(() => {
    bff.upstream.handler = echo();
    bff.upstream.requests.length = 0;
    bff.authorizationServer.behave();
    bff.authorizationServer.interaction = 'sign-in';
    bff.authorizationServer.requests.length = 0;
  });

  /** Lets the provider show a page before each sign-in. */
  function letProviderAsk(): void {
    bff.authorizationServer.override('authorization', inTurn(signInPage, passOn()));
  }

  /** Clicks, and returns the window that opens. */
  async function popupOf(page: Page, button: string): Promise<Page> {
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.locator(button).click()]);
    return popup;
  }

  /** A tab in which Alice is signed in. */
  async function signedInTab(options: Parameters<typeof openTab>[2] = {}): Promise<Page> {
    const page = await openTab(await open(), bff.url, options);
    await page.evaluate(() => void window.client.login());
    await says(page, alice);
    return page;
  }

  const loginRequests = () => bff.authorizationServer.authorizationRequests().length;

  describe('in a pop-up window', () => {
    it('leaves the page as it is, closes the window, and signs in the other tabs', async () => {
      letProviderAsk();
      const context = await open();
      const page = await openTab(context, bff.url);
      const other = await openTab(context, bff.url);
      await page.locator('textarea').fill('ten of these');
      const popup = await popupOf(page, '#sign-in');
      const closed = popup.waitForEvent('close');
      await popup.getByRole('link', { name: 'Go on' }).click();
      await closed;
      await Promise.all([page, other].map((tab) => says(tab, alice)));
      expect(await page.locator('textarea').inputValue()).toBe('ten of these');
      expect(loginRequests()).toBe(2);
    });

    it('repeats the call of a form that began it, with the same content and once', async () => {
      const page = await signedInTab({ signIn: 'popup' });
      await bff.redis.clear();
      letProviderAsk();
      await page.locator('textarea').fill('ten of these');
      const popup = await popupOf(page, '#send');
      await popup.getByRole('link', { name: 'Go on' }).click();
      await page.locator('#response').getByText('200').waitFor();
      const orders = bff.upstream.requests.map(({ method, body }) => [method, body.toString()]);
      expect(orders).toEqual([['POST', 'ten of these']]);
      await says(page, alice);
    });

    it('is the same window for calls and clicks that come while it is open', async () => {
      letProviderAsk();
      const context = await open();
      const page = await openTab(context, bff.url, { signIn: 'popup' });
      const popup = await popupOf(page, '#sign-in');
      await popup.getByRole('link', { name: 'Go on' }).waitFor();
      await page.locator('#sign-in').click();
      const calls = page.evaluate(async () => {
        const paths = ['/api/a', '/api/b', '/api/c'];
        const responses = await Promise.all(paths.map((path) => window.client.fetch(path)));
        return responses.map(({ status }) => status);
      });
      await waitFor(() => bff.logs.text.split('not_signed_in').length > 3);
      expect(context.pages()).toHaveLength(2);
      await popup.getByRole('link', { name: 'Go on' }).click();
      expect(await calls).toEqual([200, 200, 200]);
    });

    it('is not needed again for a call that was begun before it and came back after it', async () => {
      const page = await signedInTab({ signIn: 'popup' });
      const late = Promise.withResolvers<void>();
      bff.upstream.handler = async (request, response, recorded) => {
        const isFirst = bff.upstream.requests.length === 1;
        if (isFirst) await late.promise;
        const handler = isFirst ? problem('not_signed_in') : echo();
        return handler(request, response, recorded);
      };
      const status = page.evaluate(async () => {
        const response = await window.client.fetch('/api/a', { method: 'POST', body: 'a' });
        return response.status;
      });
      await waitFor(() => bff.upstream.requests.length === 1);
      await page.evaluate(() => window.client.login({ popup: true, prompt: 'login' }));
      late.resolve();
      expect(await status).toBe(200);
      expect(loginRequests()).toBe(2);
    });

    it('repeats a call that was made of a Request', async () => {
      const page = await openTab(await open(), bff.url, { signIn: 'popup' });
      const status = await page.evaluate(async () => {
        const request = new Request('/api/a', { method: 'POST', body: 'in a request' });
        const response = await window.client.fetch(request);
        return response.status;
      });
      expect(status).toBe(200);
      expect(bff.upstream.last.body.toString()).toBe('in a request');
    });

    it.each([
      ['its user closes it', (popup: Page) => popup.close(), 'popup_closed'],
      [
        'the provider denies it',
        (popup: Page) => {
          bff.authorizationServer.interaction = 'deny';
          return popup.getByRole('link', { name: 'Go on' }).click();
        },
        'login_denied',
      ],
    ])('says why it failed when %s', async (_who, act, reason) => {
      letProviderAsk();
      const page = await openTab(await open(), bff.url);
      const popup = await popupOf(page, '#sign-in');
      await popup.getByRole('link', { name: 'Go on' }).waitFor();
      await act(popup);
      await says(page, `signed-out ${reason}`);
      await waitFor(() => expect(popup.isClosed()).toBe(true));
    });

    it('goes on when the one of another tab fails', async () => {
      bff.authorizationServer.override('authorization', inTurn(signInPage, signInPage, passOn()));
      const context = await open();
      const [page, other] = [await openTab(context, bff.url), await openTab(context, bff.url)];
      const popup = await popupOf(page, '#sign-in');
      const result = page.evaluate(async () => {
        const { status } = await window.client.login({ popup: true, provider: 'corp' });
        return status;
      });
      const failing = await popupOf(other, '#sign-in');
      bff.authorizationServer.interaction = 'deny';
      await failing.getByRole('link', { name: 'Go on' }).click();
      await says(other, 'signed-out login_denied');
      bff.authorizationServer.interaction = 'sign-in';
      await popup.getByRole('link', { name: 'Go on' }).click();
      expect(await result).toBe('signed-in');
    });

    it('says that the browser has blocked it', async () => {
      const page = await openTab(await open(), bff.url, { signIn: 'popup' });
      await page.evaluate(() => void (window.open = () => null));
      const status = await page.evaluate(async () => {
        const response = await window.client.fetch('/api/a');
        return response.status;
      });
      expect(status).toBe(401);
      await says(page, 'signed-out popup_blocked');
    });

    it('works in a browser without BroadcastChannel', async () => {
      const context = await open();
      await context.addInitScript('delete window.BroadcastChannel');
      const page = await openTab(context, bff.url);
      const popup = await popupOf(page, '#sign-in');
      await says(page, alice);
      await waitFor(() => expect(popup.isClosed()).toBe(true));
    });

    it('works when the provider cuts the connection between the windows', async () => {
      const isolating: Handler = (request, response, recorded) => {
        response.setHeader('cross-origin-opener-policy', 'same-origin');
        return signInPage(request, response, recorded);
      };
      bff.authorizationServer.override('authorization', inTurn(isolating, passOn()));
      const page = await openTab(await open(), bff.url);
      const popup = await popupOf(page, '#sign-in');
      const closed = popup.waitForEvent('close');
      await popup.getByRole('link', { name: 'Go on' }).click();
      await says(page, alice);
      await closed;
      expect((await stateOf(page)).status).toBe('signed-in');
    });
  });

  describe('by a redirect', () => {
    it('happens once however many calls failed, and comes back to the same address', async () => {
      const page = await openTab(await open(), bff.url);
      await page.evaluate(() => {
        history.replaceState(null, '', '/orders?page=2#last');
        for (const path of ['/api/a', '/api/b', '/api/c']) void window.client.fetch(path);
      });
      await says(page, alice);
      expect(page.url()).toBe(`${bff.url}/orders?page=2#last`);
      expect(loginRequests()).toBe(1);
    });

    it('does not go round when a sign-in does not help', async () => {
      const page = await signedInTab();
      bff.upstream.handler = problem('not_signed_in', '/bff/login?popup=1');
      await page.evaluate(() => void window.client.fetch('/api/a'));
      await waitFor(() => loginRequests() === 2);
      await says(page, alice);
      const status = await page.evaluate(async () => {
        const response = await window.client.fetch('/api/a');
        return response.status;
      });
      expect(status).toBe(401);
      expect(loginRequests()).toBe(2);
    });

    it('waits in a tab that is not shown, and is not needed if another tab signs in', async () => {
      const context = await open();
      const page = await openTab(context, bff.url);
      await page.evaluate(() => {
        Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
      });
      const status = page.evaluate(async () => {
        const response = await window.client.fetch('/api/a');
        return response.status;
      });
      const other = await openTab(context, bff.url);
      await other.evaluate(() => void window.client.login());
      expect(await status).toBe(200);
      expect(loginRequests()).toBe(1);
    });
  });

  describe('for a call that needs more', () => {
    it('steps up at its loginUrl, and repeats the call', async () => {
      const page = await signedInTab({ signIn: 'popup' });
      const status = await page.evaluate(async () => {
        const response = await window.client.fetch('/strong/x', { method: 'PUT', body: '{}' });
        return response.status;
      });
      expect(status).toBe(200);
      const last = bff.authorizationServer.authorizationRequests().at(-1);
      expect(last?.query.get('acr_values')).toBe('urn:test:mfa');
    });

    it('is never led away by the loginUrl of an upstream', async () => {
      const page = await signedInTab({ signIn: 'popup' });
      await page.evaluate(() => {
        const { open: openWindow } = window;
        window.open = (url, ...others) => {
          document.title = String(url);
          return openWindow(url, ...others);
        };
      });
      for (const loginUrl of [
        'https://evil.example/bff/login',
        '//evil.example/bff/login?x=1',
        'javascript:alert(1)//bff/login',
        '/elsewhere/login',
        '/elsewhere',
        'blob:https://evil.example/login',
      ]) {
        bff.upstream.handler = inTurn(problem('not_signed_in', loginUrl), echo());
        await page.evaluate(() => window.client.fetch('/api/a'));
        expect(await page.title()).toMatch(/^\/bff\/login\?(?:x=1&)?popup=1$/);
        await page.evaluate(() => (document.title = ''));
      }
    });

    it('asks the application, if that signs in by itself', async () => {
      const page = await openTab(await open(), bff.url);
      const outcome = await page.evaluate(async () => {
        const asked: unknown[] = [];
        const client = window.createBffClient({
          signIn: async (required) => {
            asked.push(required);
            const { status } = await window.client.login({ popup: true, ...required });
            return status === 'signed-in';
          },
        });
        const response = await client.fetch('/api/a');
        return { asked, status: response.status };
      });
      expect(outcome).toEqual({
        asked: [{ code: 'not_signed_in', loginUrl: '/bff/login' }],
        status: 200,
      });
    });

    it('does nothing but notice, if it is told so', async () => {
      const page = await signedInTab({ signIn: false });
      await bff.redis.clear();
      const outcome = await page.evaluate(async () => {
        const response = await window.client.fetch('/api/a');
        return [response.status, ((await response.json()) as { code: string }).code];
      });
      expect(outcome).toEqual([401, 'not_signed_in']);
      expect((await stateOf(page)).status).toBe('signed-out');
    });
  });

  describe('calls', () => {
    it('carry the CSRF header to this origin alone', async () => {
      const page = await signedInTab();
      const foreign = await startUpstream(
        respondWith(200, '', { 'access-control-allow-origin': '*' }),
      );
      await page.evaluate(async (url) => {
        await window.client.fetch('/api/a', { headers: { 'x-own': '1' } });
        await window.client.fetch(new URL('/api/b', location.href));
        await window.client.fetch(new Request('/api/c', { method: 'POST', body: 'c' }));
        await window.client.fetch(url);
        await window.client.fetch(new Request(`${url}/x`));
      }, foreign.url);
      const ours = bff.upstream.requests.map(({ path, headers }) => [path, headers['x-own']]);
      expect(ours).toEqual([
        ['/api/a', '1'],
        ['/api/b', undefined],
        ['/api/c', undefined],
      ]);
      expect(bff.upstream.last.body.toString()).toBe('c');
      expect(foreign.requests.map(({ headers }) => headers['x-csrf'])).toEqual([
        undefined,
        undefined,
      ]);
      await foreign.close();
    });

    it('wait for Retry-After of a 503 and are repeated, if their method is idempotent', async () => {
      const page = await signedInTab();
      const busy = respondWith(503, 'busy', { 'retry-after': '0' });
      const outcome = async (method: string, body?: string) => {
        bff.upstream.handler = inTurn(busy, busy, echo());
        return page.evaluate(
          async ([given, content]) => {
            const init = { method: given, ...(content && { body: content }) };
            const { status } = await window.client.fetch('/open/a', init);
            return status;
          },
          [method, body] as const,
        );
      };
      expect(await outcome('GET')).toBe(200);
      expect(await outcome('PUT', 'x')).toBe(200);
      expect(await outcome('DELETE')).toBe(200);
      expect(await outcome('POST', 'x')).toBe(503);
    });

    it('give up a 503 after three repeats, or if it takes too long', async () => {
      const page = await signedInTab();
      const statusOf = async (handler: Handler) => {
        bff.upstream.handler = handler;
        bff.upstream.requests.length = 0;
        const status = await page.evaluate(async () => {
          const response = await window.client.fetch('/open/a');
          return response.status;
        });
        return [status, bff.upstream.requests.length];
      };
      expect(await statusOf(respondWith(503, '', { 'retry-after': '0' }))).toEqual([503, 4]);
      expect(await statusOf(respondWith(503, '', { 'retry-after': '3600' }))).toEqual([503, 1]);
      expect(await statusOf(respondWith(503, '', { 'retry-after': 'soon' }))).toEqual([503, 1]);
      expect(await statusOf(respondWith(503, ''))).toEqual([503, 1]);
    });

    it('end at once when they are aborted, whatever they wait for', async () => {
      const page = await signedInTab({ signIn: 'popup' });
      bff.upstream.handler = respondWith(503, '', { 'retry-after': '20' });
      const reason = await page.evaluate(async () => {
        const abort = new AbortController();
        const call = window.client.fetch('/open/a', { signal: abort.signal });
        setTimeout(() => abort.abort(new Error('changed my mind')), 300);
        return call.catch((error: Error) => error.message);
      });
      expect(reason).toBe('changed my mind');
    });
  });

  it('refreshes, and signs out to the page that it is told', async () => {
    const page = await signedInTab();
    const user = await page.evaluate(() => window.client.refresh());
    expect(user?.sub).toBe('alice');
    await page.evaluate(() => void window.client.logout({ returnUrl: '/goodbye' }));
    await page.waitForURL(`${bff.url}/goodbye`);
    await says(page, 'signed-out ');
  });

  it('keeps the session when a refresh fails, and says why', async () => {
    const page = await signedInTab();
    await bff.authorizationServer.goDown();
    const code = await page.evaluate(() =>
      window.client.refresh().catch((error: { code: string }) => error.code),
    );
    await bff.authorizationServer.comeBack();
    expect(code).toBe('provider_unavailable');
    expect((await stateOf(page)).status).toBe('signed-in');
  });

  it('works below any path, with another CSRF header', async () => {
    const page = await startUpstream(clientPage('/shop/auth/bff'));
    await using other = await startBff({
      server: { port: await freePort() },
      store: 'memory',
      basePath: '/auth/bff',
      csrf: { header: 'X-Requested-By', value: 'shop' },
      frontend: { url: page.url, contentSecurityPolicy: 'off' },
    });
    // The BFF is at /shop/auth/bff, and knows nothing of /shop.
    const port = Number(new URL(other.url).port);
    await using proxy = await startReverseProxy(port, other.port, '/shop');
    expect(proxy.target).toBe(other.port);
    const tab = await openTab(await open(), `${other.url}/shop`, { signIn: 'popup' });
    const status = await tab.evaluate(async () => {
      const response = await window.client.fetch('/shop/api/a');
      return response.status;
    });
    expect(status).toBe(200);
    await says(tab, alice);
    await page.close();
  });
});
