import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gunzipSync } from 'node:zlib';
import { runDirectory } from '../../support/setup/run-directory.ts';
import { need, runTool } from '../cache.ts';
import {
  type Candidate,
  NotHere,
  type Place,
  type Registration,
  type Running,
} from '../candidate.ts';
import { startProcess } from '../server-process.ts';
import { GlewlwydPages } from './glewlwyd-pages.ts';

const documentation = '/usr/share/doc/glewlwyd';
const clientSecret = 'pixie-bff-secret-for-development';
const name = 'oidc';

/** Glewlwyd as Debian packages it, with a SQLite database of its own. */
export const glewlwyd: Candidate = {
  name: 'Glewlwyd',
  provide: async () => {
    const program = need('glewlwyd', 'apt-get install --no-install-recommends glewlwyd');
    if (!existsSync(`${documentation}/glewlwyd.conf.sample.gz`)) {
      throw new NotHere('its package was installed without documentation, where its tables are');
    }
    const version = (await runTool(program, ['--version'])).trim();
    return { version, start: (place) => start(program, place) };
  },
};

async function start(program: string, { publicUrl, port }: Place): Promise<Running> {
  const origin = `http://127.0.0.1:${port}`;
  const issuer = `${origin}/api/${name}`;
  const directory = mkdtempSync(join(runDirectory(), 'glewlwyd-'));
  const database = join(directory, 'glewlwyd.db');
  new DatabaseSync(database).exec(tables());
  const file = join(directory, 'glewlwyd.conf');
  writeFileSync(file, configuration(origin, port, database));
  const server = await startProcess({
    program,
    args: [`--config-file=${file}`],
    ready: `${origin}/config`,
  });
  try {
    await furnish(`${origin}/api`, issuer, publicUrl);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw new Error(server.output, { cause: error });
  }
  const pages = new GlewlwydPages(origin, name);
  return {
    issuer,
    get output() {
      return server.output;
    },
    registration: {
      ...registration('pixie-bff'),
      logoutToken: { allowUntyped: true, allowMissingExp: true },
    },
    frontchannel: registration('pixie-bff-frontchannel'),
    endsFromBehind: true,
    sparesAccessTokens: true,
    signIn: (browser, page) => pages.signIn(browser, page),
    confirmSignOut: (browser, page) => pages.confirmSignOut(browser, page),
    signOutThere: (browser) => pages.signOut(browser, 'pixie-bff'),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The package's own tables; they know the singular of what the plugin reads in the plural. */
function tables(): string {
  const known = '"post_logout_redirect_uri":{"multiple":false';
  const read = '"post_logout_redirect_uris":{"multiple":true';
  return unpacked('database/init.sqlite3.sql.gz').replace(known, read);
}

function unpacked(path: string): string {
  return gunzipSync(readFileSync(join(documentation, path))).toString();
}

/** The package's own example, moved to loopback and to our database. */
function configuration(origin: string, port: number, database: string): string {
  const changes = {
    port,
    bind_address: '"127.0.0.1"',
    external_url: `"${origin}"`,
    cookie_domain: '"127.0.0.1"',
    cookie_secure: 0,
    log_file: `"${database}.log"`,
  };
  let text = unpacked('glewlwyd.conf.sample.gz').replace(
    '/var/cache/glewlwyd/glewlwyd.db',
    database,
  );
  for (const [option, value] of Object.entries(changes)) {
    text = text.replace(new RegExp(`^#?${option}\\s*=.*$`, 'm'), `${option}=${value}`);
  }
  return text;
}

/**
 * What an administrator does in its pages: a plugin for OpenID Connect, a scope, a person and a
 * client.
 */
async function furnish(api: string, issuer: string, publicUrl: string): Promise<void> {
  const administrator = { username: 'admin', password: 'password' };
  const [cookie = ''] = (await post(`${api}/auth/`, administrator)).headers.getSetCookie();
  const session = cookie.split(';', 1)[0] ?? '';
  await post(`${api}/mod/plugin/`, plugin(issuer), session);
  const texts = { display_name: 'Profile', description: 'Who you are' };
  const noScheme = { password_required: false, scheme: {} };
  await post(`${api}/scope/`, { name: 'profile', ...texts, ...noScheme }, session);
  const scope = ['openid', 'profile', 'g_profile'];
  const person = { username: 'alice', password: 'pixie-pixie', name: 'Alice Adams' };
  await post(`${api}/user/`, { ...person, scope, enabled: true }, session);
  const backchannel = {
    backchannel_logout_uri: `${publicUrl}/bff/backchannel`,
    backchannel_logout_session_required: '1',
  };
  const frontchannel = {
    frontchannel_logout_uri: `${publicUrl}/bff/frontchannel`,
    frontchannel_logout_session_required: '1',
  };
  await post(`${api}/client/`, client('pixie-bff', publicUrl, backchannel), session);
  await post(`${api}/client/`, client('pixie-bff-frontchannel', publicUrl, frontchannel), session);
}

async function post(address: string, body: object, cookie = ''): Promise<Response> {
  const headers = { 'content-type': 'application/json', cookie };
  const response = await fetch(address, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${address}: ${response.status} ${await response.text()}`);
  return response;
}

function plugin(issuer: string): object {
  const encoding = { type: 'pkcs8', format: 'pem' } as const;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const parameters = {
    iss: issuer,
    'jwt-type': 'rsa',
    'jwt-key-size': '256',
    key: privateKey.export(encoding),
    cert: publicKey.export({ type: 'spki', format: 'pem' }),
    'jwks-show': true,
    'access-token-duration': 3600,
    'refresh-token-duration': 86_400,
    'refresh-token-rolling': true,
    'refresh-token-one-use': 'always',
    'code-duration': 60,
    'auth-type-code-enabled': true,
    'auth-type-code-revoke-replayed': true,
    'auth-type-refresh-enabled': true,
    'allow-non-oidc': false,
    'allowed-scope': ['openid', 'profile'],
    'subject-type': 'public',
    'name-claim': 'mandatory',
    'pkce-allowed': true,
    'pkce-required': true,
    'introspection-revocation-allowed': true,
    'introspection-revocation-allow-target-client': true,
    'oauth-par-allowed': true,
    'oauth-par-request_uri-prefix': 'urn:ietf:params:oauth:request_uri:',
    'oauth-par-duration': 90,
    'session-management-allowed': true,
    'session-cookie-name': 'GLEWLWYD2_OIDC_SID',
    'session-cookie-expiration': 86_400,
    'front-channel-logout-allowed': true,
    'back-channel-logout-allowed': true,
  };
  return { module: 'oidc', name, display_name: 'OpenID Connect', parameters };
}

function registration(clientId: string): Registration {
  return { clientId, clientSecret, scopes: ['openid', 'profile'] };
}

function client(id: string, publicUrl: string, more: object): object {
  return {
    client_id: id,
    name: 'Pixie BFF',
    client_secret: clientSecret,
    confidential: true,
    enabled: true,
    scope: [],
    authorization_type: ['code', 'refresh_token'],
    token_endpoint_auth_method: ['client_secret_basic'],
    redirect_uri: [`${publicUrl}/bff/callback`],
    post_logout_redirect_uris: [`${publicUrl}/bff/logout/callback`],
    ...more,
  };
}
