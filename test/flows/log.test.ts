import { respondWith, hang, hangUp, inTurn } from '../support/upstream/responses.ts';
import { ServerLog } from '../../src/telemetry/server-log.service.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { LogCapture } from '../support/bff/logs.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { waitFor } from '../support/time/wait-for.ts';

type Line = Record<string, unknown> & { req?: { id: string; path: string }; code?: string };

/** Every spelling in which a secret might have slipped into a line. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    decodeURIComponent(secret.replace(/%(?![0-9a-f]{2})/gi, '%25')),
    // The first and last characters of base64 depend on what surrounds the bytes.
    bytes.toString('base64').slice(2, -4),
    bytes.toString('base64url').slice(2, -4),
    bytes.toString('hex'),
  ].filter((spelling) => spelling.length >= 8);
}

function linesOf(bff: TestBff): Line[] {
  return bff.logs.lines as Line[];
}

function pathsIn(bff: TestBff): Set<string> {
  return new Set(linesOf(bff).flatMap(({ req }) => req?.path ?? []));
}

function requestsIn(bff: TestBff): Line[] {
  return linesOf(bff).filter(({ msg }) => String(msg).startsWith('request '));
}

describe('no secret reaches the log, at any level', () => {
  const secrets = new Map<string, string>();
  const keep = (name: string, value: unknown) => {
    if (typeof value === 'string' && value.length >= 8) secrets.set(name, value);
  };
  let text = '';
  let lines: Line[] = [];

  beforeAll(async () => {
    const clientSecret = 'canary-client-secret-4f1c';
    const sessionSecret = 'canary-session-secret-that-is-long-enough-91be';
    await using bff = await startBff({
      logLevel: 'trace',
      session: { secrets: [sessionSecret] },
      authorizationServer: { clientSecret },
    });
    const { authorizationServer, upstream } = bff;
    keep('client secret', clientSecret);
    keep('session secret', sessionSecret);
    let signIns = 0;
    const keepTokens = (json: Record<string, unknown>) => {
      signIns += 1;
      for (const name of ['access_token', 'refresh_token', 'id_token'])
        keep(`${name} ${signIns}`, json[name]);
      return json;
    };
    const keepQueries = (name: string, urls: readonly (string | undefined)[]) => {
      for (const [index, url] of urls.entries())
        for (const [key, value] of new URL(url ?? '/', bff.url).searchParams)
          if (
            ['state', 'code', 'nonce', 'code_challenge', 'id_token_hint', 'login_hint'].includes(
              key,
            )
          )
            keep(`${name} ${index} ${key}`, value);
    };
    const keepBrowser = (name: string, browser: ReturnType<TestBff['browser']>) => {
      for (const cookie of browser.cookies()) {
        keep(`${name} cookie ${cookie.name}`, cookie.value);
        keep(`${name} cookie ${cookie.name} value`, decodeURIComponent(cookie.value).split('.')[0]);
      }
    };
    const attempt = async (name: string, login = { login_hint: 'alice' }) => {
      const browser = bff.browser();
      const page = await bff.signIn(browser, login);
      keepQueries(
        name,
        page.history.flatMap(({ url, location }) => [url, location]),
      );
      keepBrowser(name, browser);
      return browser;
    };

    // A whole life of a session.
    authorizationServer.transform('token', keepTokens);
    const browser = await attempt('sign-in');
    await browser.fetch('/api/notes?api_key=canary-query-of-a-call', {
      method: 'POST',
      body: { password: 'canary-body' },
      headers: {
        authorization: 'Bearer canary-inbound-authorization',
        'x-secret': 'canary-header',
      },
    });
    const user = (await (await browser.fetch('/bff/user?token=canary-query-of-user')).json()) as {
      logoutUrl: string;
    };
    const goodbye = await browser.click(`${user.logoutUrl}&returnUrl=/%3Fcanary-return-url`);
    keepQueries(
      'sign-out',
      goodbye.history.flatMap(({ url, location }) => [url, location]),
    );

    // Everything that goes wrong.
    const signedOut = bff.browser();
    await signedOut.navigate('/nowhere?ticket=canary-query-of-nowhere');
    await signedOut.fetch('/nowhere?ticket=canary-query-of-nowhere');
    await signedOut.navigate('/bff/callback?code=canary-foreign-code&state=canary-foreign-state');
    await signedOut.navigate('/bff/login?returnUrl=//canary.example/return');
    await signedOut.fetch('/api/x?canary-query-signed-out');
    await signedOut.fetch('/api/x?canary-query-without-csrf', { csrf: false });
    authorizationServer.interaction = 'deny';
    await attempt('denied');
    authorizationServer.interaction = 'sign-in';
    for (const [name, handler] of [
      [
        'refused',
        respondWith(400, { error: 'invalid_grant', error_description: 'canary-description' }),
      ],
      [
        'garbage',
        respondWith(200, '{"access_token":"canary-token-in-broken-json', {
          'content-type': 'application/json',
        }),
      ],
      ['page', respondWith(200, '<p>canary-token-in-a-page</p>', { 'content-type': 'text/html' })],
      ['cut', hangUp()],
    ] as const) {
      authorizationServer.override('token', handler);
      await attempt(name);
    }
    authorizationServer.override('token', undefined);
    authorizationServer.transform('token', (json) => {
      keepTokens(json);
      return { ...json, id_token: `${String(json['id_token']).slice(0, -9)}tampered0` };
    });
    await attempt('tampered');
    authorizationServer.transform('token', keepTokens);
    authorizationServer.override('revocation', respondWith(500, 'canary-revocation-answer'));
    const late = await attempt('revocation');
    await late.fetch('/bff/logout', { method: 'POST' });
    const last = await attempt('upstream');
    upstream.handler = hangUp();
    await last.fetch('/api/notes?canary-query-of-a-broken-call');
    await last.fetch('/bff/logout?sid=canary-wrong-session-id', { method: 'POST' });

    for (const [index, request] of authorizationServer.tokenRequests().entries()) {
      keep(`verifier ${index}`, request.form.get('code_verifier') ?? '');
      keep(`code ${index}`, request.form.get('code') ?? '');
      keep(`client authentication ${index}`, request.headers.authorization?.split(' ')[1]);
    }
    for (const { headers } of upstream.requests)
      keep('upstream token', headers.authorization?.split(' ')[1]);
    await waitFor(() => linesOf(bff).some(({ code }) => code === 'session_mismatch'));
    text = bff.logs.text;
    lines = linesOf(bff);
  });

  it('and the test knows them all', () => {
    const names = [...secrets.keys()].join('\n');
    for (const name of [
      'client secret',
      'session secret',
      'access_token 1',
      'refresh_token 1',
      'id_token 1',
      'verifier 0',
      'code 0',
      'client authentication 0',
      'upstream token',
      'sign-in cookie bff value',
      'sign-in cookie bff-login',
    ])
      expect(names).toContain(name);
    expect(names).toMatch(/sign-in \d+ state/);
    expect(names).toMatch(/sign-in \d+ nonce/);
    expect(names).toMatch(/sign-out \d+ id_token_hint/);
    expect(lines.length).toBeGreaterThan(40);
  });

  it('not one of them is there, in no spelling', () => {
    const found = [...secrets].filter(([, secret]) =>
      spellings(secret).some((spelling) => text.includes(spelling)),
    );
    expect(found.map(([name]) => name)).toEqual([]);
  });

  it('nothing of a query, a header, a body or a provider’s description is there', () => {
    expect(text.match(/.{0,60}canary.{0,40}/g) ?? []).toEqual([]);
  });

  it('every line is JSON with time, level and msg', () => {
    for (const { time, level, msg } of lines) {
      expect(new Date(String(time)).toISOString()).toBe(time);
      expect(['trace', 'debug', 'info', 'warn', 'error']).toContain(level);
      expect(typeof msg).toBe('string');
    }
  });

  it.each([
    'signed in',
    'signed out',
    'csrf',
    'not_signed_in',
    'login_denied',
    'login_failed',
    'login_expired',
    'invalid_return_url',
    'session_mismatch',
    'provider_unavailable',
    'upstream_unreachable',
    'revocation failed',
  ])('there is a line that says: %s', (message) => {
    const line = lines.find(({ msg }) => msg === message);
    expect(line).toMatchObject({ context: expect.any(String), req: { id: expect.any(String) } });
  });
});

describe('a line', () => {
  it('carries the id of the request that its response carries', async () => {
    await using bff = await startBff({ store: 'memory' });
    const response = await bff.browser().fetch('/bff/user?a=b', { csrf: false });
    const problem = (await response.json()) as { requestId: string };
    const id = response.headers.get('x-request-id');
    expect(problem.requestId).toBe(id);
    const lines = await waitFor(() => {
      const found = linesOf(bff).filter(({ req }) => req?.id === id);
      return found.length === 2 && found;
    });
    expect(lines).toMatchObject([
      {
        level: 'info',
        msg: 'csrf',
        code: 'csrf',
        reason: 'X-CSRF is missing or has another value',
      },
      {
        level: 'info',
        msg: 'request completed',
        res: { status: 403 },
        req: { method: 'GET', path: '/bff/user' },
      },
    ]);
    expect(lines[1]?.['responseTime']).toEqual(expect.any(Number));
  });

  it('of a failure says what failed and that the request did, once each', async () => {
    await using bff = await startBff({ store: 'memory' });
    await bff.authorizationServer.goDown();
    const response = await bff
      .browser()
      .fetch('/bff/login', { headers: { 'sec-fetch-dest': null } });
    const id = response.headers.get('x-request-id');
    const lines = await waitFor(() => {
      const found = linesOf(bff).filter(({ req }) => req?.id === id);
      return found.length === 2 && found;
    });
    expect(lines).toMatchObject([
      {
        level: 'error',
        code: 'provider_unavailable',
        err: { cause: { cause: { code: 'ECONNREFUSED' } } },
      },
      { level: 'error', msg: 'request failed', res: { status: 503 } },
    ]);
    expect(lines[1]).not.toHaveProperty('err');
  });

  it('cannot be forged or coloured by what a client sends', async () => {
    await using bff = await startBff({ store: 'memory' });
    const forged = '\r\n{"level":"info","msg":"signed in"}\r\n\x1b[31m\x9b31m\u202e\u2028';
    const browser = bff.browser();
    const login = await browser.navigate('/bff/login', { redirect: 'manual' });
    const state = new URL(login.history[0]?.location ?? '').searchParams.get('state') ?? '';
    const query = new URLSearchParams({ error: forged, error_description: forged, state });
    await browser.navigate(`/bff/callback?${query}`);
    await browser.navigate(`/${encodeURIComponent(forged)}`);
    const headers = 'Host: a\r\nX-CSRF: 1\r\nOrigin: \x9b31m\r\nConnection: close';
    await rawRequest(bff.port, `GET /bff/user HTTP/1.1\r\n${headers}\r\n\r\n`);
    await waitFor(() => requestsIn(bff).length === 4);
    const refusal = linesOf(bff).find(({ code }) => code === 'csrf');
    expect(refusal?.['reason']).toContain('\x9b31m');
    expect(linesOf(bff).filter(({ msg }) => msg === 'signed in')).toEqual([]);
    // oxlint-disable-next-line no-control-regex -- the very characters that must not be there
    expect(bff.logs.text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]/);
  });

  it('does not call it an error when a browser leaves before the response', async () => {
    await using bff = await startBff({
      store: 'memory',
      upstream: hang(),
      route: { token: 'none' },
    });
    const leaving = new AbortController();
    const call = bff
      .browser()
      .fetch('/api/slow', { signal: leaving.signal })
      .catch(() => 'left');
    await waitFor(() => bff.upstream.requests.length === 1);
    leaving.abort();
    expect(await call).toBe('left');
    await waitFor(() => requestsIn(bff).length === 1);
    const lines = linesOf(bff).filter(({ req }) => req);
    expect(lines).toMatchObject([{ level: 'info', msg: 'request aborted' }]);
    expect(lines[0]).not.toHaveProperty('res');
  });

  it('of a parser’s error does not quote what could not be parsed', () => {
    const capture = new LogCapture();
    const log = new ServerLog('trace', capture.stream);
    for (const broken of ['canary-token', '{"access_token":"canary-token'])
      try {
        JSON.parse(broken);
      } catch (cause) {
        log.error({ msg: 'failed', err: new Error('failed', { cause }) }, 'Test');
        log.error(cause, undefined, 'Test');
      }
    expect(capture.text).toContain('could not be parsed');
    expect(capture.text).not.toContain('canary');
  });

  it('of an error without end has one', () => {
    const capture = new LogCapture();
    const log = new ServerLog('trace', capture.stream);
    const endless = new Error(`somebody sent ${'x'.repeat(100_000)}`);
    log.error({ msg: 'failed', err: new Error('failed', { cause: endless }) }, 'Test');
    log.error(endless, undefined, 'Test');
    expect(capture.lines.map(({ msg }) => msg)).toEqual(['failed', 'unexpected error']);
    expect(capture.text).toContain('somebody sent');
    expect(capture.text.length).toBeLessThan(20_000);
  });

  it('of a quiet level is not written', async () => {
    await using bff = await startBff({ store: 'memory', logLevel: 'error' });
    await bff.browser().fetch('/nowhere');
    expect(bff.logs.text).toBe('');
  });

  it('about a refresh or a failure carries the id of the call that met it, also in the steady state', async () => {
    const clock = testClock();
    await using bff = await startBff({
      logLevel: 'debug',
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 60 },
      upstream: inTurn(
        respondWith(200),
        respondWith(401, {}, { 'www-authenticate': 'Bearer error="invalid_token"' }),
        respondWith(200),
        respondWith(200),
        hangUp(),
      ),
      route: { retry: 0 },
    });
    const browser = await bff.signedIn();
    const call = async () => (await browser.fetch('/api/notes')).headers.get('x-request-id');
    await call();
    const refused = await call();
    clock.advance(61_000);
    const [expired, broken] = [await call(), await call()];
    await waitFor(() => requestsIn(bff).filter(({ req }) => req?.id === broken).length === 1);
    const idsOf = (message: string) =>
      linesOf(bff).flatMap(({ msg, req }) => (msg === message ? [req?.id] : []));
    expect(idsOf('tokens refreshed')).toEqual([refused, expired]);
    expect(idsOf('upstream_unreachable')).toEqual([broken]);
  });

  it('goes to the log of the server whose request it is, with two in one process', async () => {
    await using first = await startBff({ store: 'memory' });
    await using second = await startBff({ store: 'memory' });
    await first.browser().fetch('/first');
    await second.browser().fetch('/second');
    await waitFor(() => linesOf(second).some(({ msg }) => msg === 'request completed'));
    expect([pathsIn(first), pathsIn(second)]).toEqual([new Set(['/first']), new Set(['/second'])]);
  });
});
