import assert from 'node:assert/strict';
import { type Command, plainOptions, startServer } from '../support/bff/built-server.ts';
import { TestBrowser, type Page } from '../support/browser/browser.ts';
import { freePort } from '../support/network/ports.ts';
import type { RedisServer } from '../support/redis/server.ts';
import type { Upstream } from '../support/upstream/upstream.ts';
import type { Registration, Running } from './candidate.ts';

/** What a server's metadata says that the story asks for (OIDC Discovery §3). */
export interface Metadata {
  readonly userinfo_endpoint: string;
  readonly end_session_endpoint?: string;
  readonly revocation_endpoint?: string;
  readonly pushed_authorization_request_endpoint?: string;
  readonly backchannel_logout_supported?: boolean;
}

/**
 * What every story stands on: a Redis, an API, and the one address at which servers expect the BFF.
 */
export interface Backends {
  readonly redis: RedisServer;
  readonly upstream: Upstream;
  readonly publicUrl: string;
}

/** The built BFF with one registration, and a browser in front of it. */
export interface InteropSetup extends AsyncDisposable {
  readonly running: Running;
  readonly metadata: Metadata;
  readonly browser: TestBrowser;
  readonly upstream: Upstream;
  readonly publicUrl: string;
  readonly managementUrl: string;
  readonly bff: Command;
}

/** What the server says of itself. */
export async function metadataOf({ issuer }: Running): Promise<Metadata> {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`);
  assert.equal(response.status, 200, 'the metadata');
  return (await response.json()) as Metadata;
}

const adminsOnly = { claim: 'realm_access.roles', any: ['admin'] };

/** Starts the BFF with this registration. */
export async function startSetup(
  running: Running,
  registration: Registration,
  metadata: Metadata,
  { redis, upstream, publicUrl }: Backends,
): Promise<InteropSetup> {
  const managementPort = await freePort();
  const par = metadata.pushed_authorization_request_endpoint ? 'required' : 'auto';
  const options = await plainOptions({
    publicUrl,
    server: { port: Number(new URL(publicUrl).port), host: '127.0.0.1' },
    management: { port: managementPort },
    redis: { url: redis.url },
    providers: [{ id: 'interop', issuer: running.issuer, par, ...registration }],
    routes: [
      { path: '/api', upstream: upstream.url },
      { path: '/admin', upstream: upstream.url, require: [adminsOnly] },
    ],
  });
  const bff = await startServer(options);
  return {
    running,
    metadata,
    browser: new TestBrowser({ origin: publicUrl }),
    upstream,
    publicUrl,
    managementUrl: `http://127.0.0.1:${managementPort}`,
    bff,
    [Symbol.asyncDispose]: () => bff[Symbol.asyncDispose](),
  };
}

/** Whether the browser is back at the application. */
export function isHome({ publicUrl }: InteropSetup, page: Page): boolean {
  return new URL(page.url).origin === publicUrl;
}

/**
 * Who the BFF says is signed in, asked by a page of the application; undefined when it is nobody.
 */
export async function whoIsSignedIn({
  browser,
  publicUrl,
}: InteropSetup): Promise<string | undefined> {
  const response = await browser.fetch('/bff/user', { from: `${publicUrl}/` });
  if (response.status === 200) return ((await response.json()) as { sub: string }).sub;
  assert.equal(response.status, 401, await response.text());
  return undefined;
}

/** The access token that the API was last sent. */
export function tokenAtApi({ upstream }: InteropSetup): string {
  const [, token] = /^Bearer (.+)$/.exec(upstream.last.headers.authorization ?? '') ?? [];
  assert(token, 'the API was sent no bearer token');
  return token;
}

/** Whom the server itself takes an access token for; undefined when it refuses it. */
export async function subjectOf(
  { metadata }: InteropSetup,
  token: string,
): Promise<string | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(metadata.userinfo_endpoint, { headers });
  const body = await response.text();
  return response.ok ? (JSON.parse(body) as { sub?: string }).sub : undefined;
}
