import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError, loadOptions, parseOptions } from '../../src/config/load.ts';

const directory = mkdtempSync(join(tmpdir(), 'pages-'));
writeFileSync(join(directory, 'index.html'), '');
afterAll(() => rmSync(directory, { recursive: true }));

const upstream = 'http://api:3000';
const usual = {
  publicUrl: 'http://localhost:8080',
  session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
  providers: [
    { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', clientSecret: 's' },
  ],
  routes: [{ path: '/api', upstream }],
};

function optionsWith(changes: object) {
  return parseOptions({ ...usual, ...changes });
}

function mistakesOf(changes: object): string[] {
  try {
    optionsWith(changes);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map(({ path, message }) => `${path}: ${message}`);
  }
}

const required = { directory, signIn: 'required' };

describe('pages behind the sign-in', () => {
  it('are off unless they are configured', () => {
    const { frontend, routes } = optionsWith({ frontend: { directory } });
    expect(frontend).toMatchObject({ signIn: 'optional', public: [] });
    expect(routes[0]).toMatchObject({ signedOut: 'problem' });
  });

  it.each<object>([
    { frontend: { ...required, public: ['/robots.txt', '/assets'] }, errorUrl: '/oops?a=/' },
    { frontend: { url: 'http://web:5173', signIn: 'required' } },
    { routes: [{ path: '/app', upstream, signedOut: 'login' }] },
    { routes: [{ path: '/app', upstream, signedOut: 'login', token: 'client' }] },
    {
      routes: [
        { path: '/app', upstream, signedOut: 'login' },
        { path: '/app/error', upstream, token: 'none' },
      ],
      errorUrl: '/app/error',
    },
  ])('may be %j', (changes) => {
    expect(mistakesOf(changes)).toEqual([]);
  });

  it('may come from the environment', () => {
    const env = {
      BFF_PUBLIC_URL: usual.publicUrl,
      BFF_SESSION_SECRET: usual.session.secrets[0],
      BFF_OIDC_ISSUER: 'https://login.example.com',
      BFF_OIDC_CLIENT_ID: 'spa',
      BFF_OIDC_CLIENT_SECRET: 's',
      BFF_FRONTEND_DIR: directory,
      BFF_FRONTEND_SIGN_IN: 'required',
      BFF_FRONTEND_PUBLIC: '/robots.txt,/assets',
    };
    const { options } = loadOptions({ env, cwd: directory });
    expect(options.frontend).toMatchObject({
      signIn: 'required',
      public: ['/robots.txt', '/assets'],
    });
  });

  it.each<[object, string]>([
    [
      { frontend: { directory, public: ['/assets'] } },
      'frontend.public: is set, but signIn is optional, so every path is public; remove it or set',
    ],
    [{ frontend: { ...required, signIn: 'always' } }, 'frontend.signIn: must be one of optional'],
    [{ frontend: { signIn: 'required' } }, 'frontend: needs either directory'],
    [{ frontend: { ...required, public: ['assets'] } }, 'frontend.public[0]: must begin with /'],
    [{ frontend: { ...required, public: ['/a', '/b/'] } }, 'frontend.public[1]: must not end with'],
    [{ frontend: { ...required, public: ['/a/../b'] } }, 'frontend.public[0]: must not contain'],
    [
      { frontend: { ...required, public: ['/%61'] } },
      'frontend.public[0]: must be written without',
    ],
    [{ frontend: { ...required, public: ['/'] } }, 'frontend.public[0]: is /, the application'],
    [{ frontend: { ...required, public: ['/index.html'] } }, 'is /index.html, the application'],
    [{ frontend: { ...required, public: ['/api/docs'] } }, 'is /api/docs, which is of route /api'],
    [{ frontend: { ...required, public: ['/bff/x'] } }, 'is /bff/x, which is below basePath /bff'],
    [
      { frontend: required, errorUrl: '/?failed=1' },
      'errorUrl: is /?failed=1, but frontend.signIn',
    ],
    [
      { routes: [{ path: '/app', upstream, signedOut: 'login' }], errorUrl: '/app/error' },
      'errorUrl: is /app/error, but route /app has signedOut: login, so a failed sign-in would',
    ],
    [
      { routes: [{ path: '/app', upstream, signedOut: 'login', token: 'none' }] },
      'routes[0].signedOut: is login, but token is none, so the route serves signed-out users',
    ],
    [
      { routes: [{ path: '/app', upstream, signedOut: 'login', token: 'optional' }] },
      'routes[0].signedOut: is login, but token is optional, so the route serves signed-out',
    ],
    [
      {
        routes: [{ path: '/app', upstream, signedOut: 'login', token: 'client', session: 'none' }],
      },
      'routes[0].signedOut: is login, but session is none',
    ],
    [
      { routes: [{ path: '/app', upstream, signedOut: 'redirect' }] },
      'routes[0].signedOut: must be one of problem, login',
    ],
  ])('may not be %j', (changes, sentence) => {
    expect(mistakesOf(changes)).toEqual([expect.stringContaining(sentence)]);
  });
});
