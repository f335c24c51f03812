import { fileURLToPath } from 'node:url';
import { ConfigurationError, parseOptions } from '../../src/config/load.ts';

const here = fileURLToPath(import.meta.url);

/** A configuration with one such route, as it will be used. */
function routeWith(changes: object, provider: object = {}) {
  return parseOptions({
    publicUrl: 'http://localhost:8080',
    session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
    providers: [
      {
        id: 'corp',
        issuer: 'https://login.example.com',
        clientId: 'spa',
        clientSecret: 's',
        ...provider,
      },
    ],
    routes: [{ path: '/api', upstream: 'http://api:3000', ...changes }],
  }).routes[0];
}

/** What is wrong with it. */
function mistakesOf(changes: object, provider?: object): string[] {
  try {
    routeWith(changes, provider);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('a route', () => {
  it.each<[object, object]>([
    [{ upstream: 'unix:/run/api.sock' }, { upstream: ['unix:/run/api.sock'] }],
    [{ upstream: ['http://a:1', 'http://b:2'] }, { upstream: ['http://a:1', 'http://b:2'] }],
    [
      { upstream: ['https://a/v1', 'https://b/v1/'] },
      { upstream: ['https://a/v1', 'https://b/v1'] },
    ],
    [
      { upstream: ['unix:/run/a.sock', 'http://b'] },
      { upstream: ['unix:/run/a.sock', 'http://b'] },
    ],
    [
      { rewrite: '/v1', retry: '2', http2: 'true' },
      { rewrite: '/v1', retry: 2, http2: true },
    ],
    [
      { upstream: 'https://api', ca: here, clientCert: here, clientKey: here },
      { ca: here, clientCert: here, clientKey: here },
    ],
    [
      { headers: { set: { 'X-User': '${claims.sub}', 'X-Roles': 'a ${claims.realm.roles}' } } },
      { headers: { set: { 'x-user': '${claims.sub}', 'x-roles': 'a ${claims.realm.roles}' } } },
    ],
    [{ headers: { pass: ['DPoP'] } }, { headers: { pass: ['dpop'] } }],
    [{ token: 'client' }, { token: 'client', session: 'required' }],
    [
      { token: 'client', session: 'none', resource: 'urn:reports', scope: ' read  write ' },
      { session: 'none', resource: 'urn:reports', scope: 'read write' },
    ],
    [
      { exchange: { audience: 'reports', scope: 'read', actor: 'client' } },
      { exchange: { audience: 'reports', scope: 'read', actor: 'client' } },
    ],
    [
      { acr: 'mfa  phr', maxAge: '5m' },
      { acr: 'mfa phr', maxAge: 300_000 },
    ],
  ])('may say %j', (changes, expected) => {
    expect(routeWith(changes)).toMatchObject(expected);
  });

  it.each<[object, string]>([
    [{ upstream: 'unix:api.sock' }, 'upstream: must name a socket by its absolute path'],
    [{ upstream: 'unix://run/api.sock' }, 'upstream: must name a socket by its absolute path'],
    [{ upstream: 'unix:/run/a?b' }, 'upstream: must name a socket by its absolute path'],
    [{ upstream: ['http://a', 'http://a/'] }, 'upstream: names the same address twice'],
    [{ upstream: ['http://a', 'https://b'] }, 'upstream: lists http://a, https://b; the servers'],
    [{ upstream: ['http://a/v1', 'http://b/v2'] }, 'must have the same scheme and path'],
    [{ upstream: ['https://a', 'unix:/run/a.sock'] }, 'must have the same scheme and path'],
    [{ rewrite: 'v1' }, 'rewrite: must begin with /'],
    [{ rewrite: '/a/../b' }, 'rewrite: must not contain'],
    [{ rewrite: '/v1', stripPrefix: true }, 'rewrite: is /v1, but stripPrefix is true'],
    [{ retry: 11 }, 'retry: must be a whole number from 0 to 10'],
    [{ upstream: 'https://a', ca: '/no/such/file' }, 'ca: there is no file /no/such/file'],
    [{ ca: here }, 'ca: is set, but the upstream http://api:3000 is not https'],
    [{ upstream: 'https://a', clientCert: here }, 'clientKey: is required because clientCert'],
    [{ upstream: 'https://a', clientKey: here }, 'clientCert: is required because clientKey'],
    [{ headers: { set: { 'X-A': '${SECRET}' } } }, 'may refer to claims only, like ${claims.sub}'],
    [{ headers: { set: { 'X-A': '${claims.}' } } }, 'may refer to claims only'],
    [{ headers: { set: { 'X-A': '${claims.sub' } } }, 'may refer to claims only'],
    [{ token: 'none', headers: { set: { 'X-A': '${claims.sub}' } } }, 'but token is none'],
    [{ resource: '/reports' }, 'resource: must be an absolute URI without #'],
    [{ resource: 'https://reports.example.com/#a' }, 'resource: must be an absolute URI'],
    [{ scope: 'a "b"' }, 'scope: must be scopes separated by spaces'],
    [{ exchange: {} }, 'exchange: needs audience or scope'],
    [{ exchange: { audience: 'a', actor: 'bob' } }, 'exchange.actor: must be client'],
    [{ exchange: { audience: 'a' }, resource: 'urn:a' }, 'resource: is set beside exchange'],
    [{ exchange: { audience: 'a' }, scope: 'a' }, 'scope: is set beside exchange; move it'],
    [{ exchange: { audience: 'a' }, token: 'client' }, 'exchange: is set, but token is client'],
    [{ session: 'none' }, 'session: is none, but token is user; only with token: client'],
    [{ session: 'none', token: 'optional' }, 'session: is none, but token is optional'],
    [{ token: 'none', resource: 'urn:a' }, 'resource: is set, but token is none'],
    [{ token: 'none', exchange: { audience: 'a' } }, 'exchange: is set, but token is none'],
    [{ token: 'none', scope: 'a' }, 'scope: is set, but token is none'],
    [{ token: 'optional', acr: 'mfa' }, 'acr: is set, but token is optional'],
    [{ token: 'client', maxAge: '5m' }, 'maxAge: is set, but token is client'],
    [
      { token: 'client', session: 'none', headers: { set: { 'X-A': '${claims.sub}' } } },
      'contains a claim, but session is none',
    ],
    [{ headers: { pass: ['Host'] } }, 'headers.pass[0]: Host has no effect here: the upstream'],
    [{ headers: { pass: ['Expect'] } }, 'headers.pass[0]: Expect has no effect here: the BFF'],
    [{ headers: { pass: ['cookie'] } }, 'headers.pass[0]: cookie has no effect here: the cookies'],
  ])('may not say %j', (changes, sentence) => {
    expect(mistakesOf(changes)).toEqual([expect.stringContaining(sentence)]);
  });

  it.each([
    [{ token: 'client' }, 'routes[0].token: is client, but clientAuth of provider corp is none'],
    [{ exchange: { audience: 'a', actor: 'client' } }, 'routes[0].exchange.actor: is client, but'],
  ])('may not say %j where the client has no credentials', (changes, sentence) => {
    const mistakes = mistakesOf(changes, { clientAuth: 'none', clientSecret: undefined });
    expect(mistakes).toEqual([expect.stringContaining(sentence)]);
  });
});
