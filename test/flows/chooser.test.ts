import { startBff, type TestBff } from '../support/bff/bff.ts';
import { FakeDiscord } from '../support/non-oidc/fake-discord.ts';
import { FakeGitHub } from '../support/non-oidc/fake-github.ts';
import { discordAt, githubAt } from '../support/non-oidc/providers.ts';
import { asProgram, beginLogin, errorCode, whoIs } from './steps.ts';

let github: FakeGitHub;
let discord: FakeDiscord;
let bff: TestBff;
beforeAll(async () => {
  github = await new FakeGitHub().start();
  discord = await new FakeDiscord().start();
  bff = await startBff({
    login: { chooser: true, allowedReturnOrigins: ['https://docs.example.com'] },
    providers: (usual) => [
      { ...usual, name: 'Corp <&"> SSO' },
      githubAt(github),
      discordAt(discord, { loginParams: ['organization'] }),
    ],
  });
});
afterAll(async () => {
  await bff.close();
  await Promise.all([github.stop(), discord.stop()]);
});

const loginAt = (query: string, browser = bff.browser()) =>
  browser.navigate(`${bff.url}/bff/login${query}`, { redirect: 'manual' });

/** Where the links of a page lead. */
function linksOf(body: string): string[] {
  return [...body.matchAll(/href="([^"]*)"/g)].map(([, href = '']) =>
    href.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))),
  );
}

describe('the page for choosing a provider', () => {
  it('names them all, in the order of the configuration, and where one signs in', async () => {
    const page = await loginAt('');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const names = page.body.matchAll(/Continue with ([^<]*)</g);
    expect([...names].map(([, name]) => name)).toEqual([
      'Corp &#60;&#38;&#34;&#62; SSO',
      'GitHub',
      'Discord',
    ]);
    expect(page.body).toContain(`Sign in to ${new URL(bff.url).host}</title>`);
  });

  it('is accessible: a language, a heading, a list of links, no script', async () => {
    const { body, headers } = await loginAt('');
    expect(body).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(body).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(body.match(/<h1>/g)).toHaveLength(1);
    expect(body.match(/<li><a href=/g)).toHaveLength(3);
    expect(body).not.toMatch(/<script|<img|<form|onclick|style="/);
    expect(body).toContain('prefers-color-scheme: dark');
    expect(body).toContain(':focus-visible');
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    );
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-frame-options')).toBe('DENY');
  });

  it('sets no cookie and begins nothing', async () => {
    const browser = bff.browser();
    await loginAt('', browser);
    expect(browser.cookies()).toEqual([]);
    expect((await bff.redis.dump()).size).toBe(0);
  });

  it('keeps the return URL and the other parameters, and its links sign in', async () => {
    const page = await loginAt('?returnUrl=%2Fa%3Fb%3D1%26c%3D%22%3E&login_hint=alice&secondTry=1');
    const links = linksOf(page.body);
    expect(links).toHaveLength(3);
    for (const [index, provider] of ['corp', 'github', 'discord'].entries()) {
      const url = new URL(links[index] ?? '', bff.url);
      expect(url.pathname).toBe('/bff/login');
      expect(Object.fromEntries(url.searchParams)).toEqual({
        provider,
        returnUrl: '/a?b=1&c=">',
        login_hint: 'alice',
        secondTry: '1',
      });
    }
    const browser = bff.browser();
    browser.location = page.url;
    const landed = await browser.click(links[1] ?? '');
    expect(landed.url).toBe(`${bff.url}/a?b=1&c=%22%3E`);
    await expect(whoIs(browser)).resolves.toBe('583231');
  });

  it.each([
    ['?provider=github', 'github'],
    ['?provider=corp', 'corp'],
  ])('is not shown to who has chosen: %s', async (query, provider) => {
    const page = await loginAt(query);
    expect(page.status).toBe(302);
    const there = provider === 'github' ? github.url : bff.authorizationServer.issuer;
    expect(page.headers.get('location')).toContain(there);
  });

  it('is not shown to a silent sign-in, which can show no page', async () => {
    const page = await loginAt('?prompt=none');
    expect(page.headers.get('location')).toContain(bff.authorizationServer.issuer);
  });

  it.each([
    ['?returnUrl=https://evil.example', 400, 'invalid_return_url'],
    ['?returnUrl=/a&returnUrl=/b', 400, 'invalid_request'],
    ['?provider=nobody', 404, 'unknown_provider'],
    ['?provider=', 404, 'unknown_provider'],
  ])('is not shown instead of an error: %s', async (query, status, code) => {
    const page = await loginAt(query);
    expect([page.status, errorCode(page)]).toEqual([status, code]);
  });

  it('is not shown inside another page', async () => {
    const page = await bff.browser().navigate(`${bff.url}/bff/login`, { dest: 'iframe' });
    expect(page.status).toBe(403);
  });

  it('is left out with one provider, or where it is not configured', async () => {
    await using single = await startBff({ login: { chooser: true } });
    expect((await beginLogin(single, single.browser())).page.status).toBe(302);
    await using silent = await startBff({ providers: (usual) => [usual, githubAt(github)] });
    expect((await beginLogin(silent, silent.browser())).page.status).toBe(302);
  });
});

it('a call that needs the first provider says so, and does not lead to a choice', async () => {
  const browser = bff.browser();
  const wayOn = async () => {
    const response = await browser.fetch('/api/x');
    expect(response.status).toBe(401);
    return ((await response.json()) as { loginUrl: string }).loginUrl;
  };
  expect(await wayOn()).toBe('/bff/login?provider=corp');
  await bff.signIn(browser, { provider: 'github' });
  expect(await wayOn()).toBe('/bff/connect/corp');
});

describe('GET /bff/providers', () => {
  const requestChooser = (query = '', options: RequestInit = {}) =>
    fetch(`${bff.url}/bff/providers${query}`, { headers: { accept: '*/*' }, ...options });

  it('lists them for a page of your own, without a session and without the CSRF header', async () => {
    const response = await requestChooser();
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    await expect(response.json()).resolves.toEqual([
      { id: 'corp', name: 'Corp <&"> SSO', loginUrl: '/bff/login?provider=corp' },
      { id: 'github', name: 'GitHub', loginUrl: '/bff/login?provider=github' },
      { id: 'discord', name: 'Discord', loginUrl: '/bff/login?provider=discord' },
    ]);
  });

  it('gives links that lead back to a return URL', async () => {
    const listed = (await (await requestChooser('?returnUrl=/a%3Fb')).json()) as {
      loginUrl: string;
    }[];
    expect(listed[1]?.loginUrl).toBe('/bff/login?provider=github&returnUrl=%2Fa%3Fb');
    const browser = bff.browser();
    const page = await browser.navigate(listed[1]?.loginUrl ?? '');
    expect(page.url).toBe(`${bff.url}/a?b`);
  });

  it('refuses a return URL that leads away, and other methods', async () => {
    expect((await requestChooser('?returnUrl=//evil.example')).status).toBe(400);
    expect((await requestChooser('', { method: 'POST' })).status).toBe(405);
    expect((await requestChooser('', { method: 'HEAD' })).status).toBe(200);
  });

  it('shows nothing of registrations', async () => {
    const text = await (await requestChooser()).text();
    expect(text).not.toMatch(/client|secret|endpoint/i);
  });
});

describe('a sign-in that another site begins (OIDC Core §4)', () => {
  const begin = (parameters: Record<string, string>) =>
    bff.browser().navigate(`${bff.url}/bff/login?${new URLSearchParams(parameters)}`, {
      from: 'https://portal.example',
      redirect: 'manual',
    });

  it('goes to the provider it names by its issuer, with the hint it gives', async () => {
    const { issuer } = bff.authorizationServer;
    const page = await begin({ iss: issuer, login_hint: 'bob' });
    const request = new URL(page.headers.get('location') ?? '');
    expect([request.origin, request.searchParams.get('login_hint')]).toEqual([issuer, 'bob']);
    expect(request.searchParams.has('iss')).toBe(false);
  });

  it('leads to the page it names, which must be ours', async () => {
    const browser = bff.browser();
    const { issuer } = bff.authorizationServer;
    const wanted = { iss: issuer, login_hint: 'bob', target_link_uri: `${bff.url}/inbox?new=1` };
    const page = await browser.navigate(`${bff.url}/bff/login?${new URLSearchParams(wanted)}`);
    expect(page.url).toBe(`${bff.url}/inbox?new=1`);
    await expect(whoIs(browser)).resolves.toBe('bob');
  });

  it.each([
    ['https://evil.example/', 'another origin'],
    ['//evil.example/', 'another origin without a scheme'],
    ['https://localhost.evil.example/', 'an origin that begins like ours'],
    ['javascript:alert(1)', 'a script'],
  ])('does not lead to %s: %s', async (target) => {
    const { issuer } = bff.authorizationServer;
    const page = await begin({ iss: issuer, target_link_uri: target });
    expect([page.status, errorCode(page)]).toEqual([400, 'invalid_return_url']);
  });

  it('does not lead to our address with another path in front', async () => {
    const { issuer } = bff.authorizationServer;
    for (const target of [
      `${bff.url}//evil.example`,
      `${bff.url}@evil.example/`,
      `${bff.url}/\\x`,
    ]) {
      const page = await begin({ iss: issuer, target_link_uri: target });
      expect([page.status, errorCode(page)]).toEqual([400, 'invalid_return_url']);
    }
  });

  it.each(['https://evil.example', '', 'corp'])(
    'at no known provider is refused: %j',
    async (iss) => {
      const page = await begin({ iss });
      expect([page.status, errorCode(page)]).toEqual([404, 'unknown_provider']);
    },
  );

  it('does not request its parameters twice', async () => {
    const { issuer } = bff.authorizationServer;
    const query = new URLSearchParams([
      ['iss', issuer],
      ['iss', issuer],
    ]);
    const page = await loginAt(`?${query}`);
    expect([page.status, errorCode(page)]).toEqual([400, 'invalid_request']);
    const response = await bff.browser().fetch(`/bff/login?${query}`, { headers: asProgram });
    expect(response.status).toBe(400);
  });
});
