/**
 * A command-line client of a BFF: `login`, `login --device`, `call <path>` and `logout`.
 * `BFF_URL` is the public URL of the BFF, `CLIENT_ID` the id in `authorizationServer.clients`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';
import { readTokens, removeTokens, saveTokens } from './token-file.ts';

const bffUrl = process.env['BFF_URL'] ?? 'http://localhost:8080';
const client: oauth.Client = { client_id: process.env['CLIENT_ID'] ?? 'cli' };
const issuer = new URL('/bff/oauth', bffUrl);
const publicClient = oauth.None();
// Only for a BFF on this computer. oauth4webapi refuses http for all others.
const options = { [oauth.allowInsecureRequests]: issuer.hostname === 'localhost' };

const [command, argument] = process.argv.slice(2);
const server = await discover();
switch (command) {
  case 'login':
    await (argument === '--device' ? loginOnDevice() : loginInBrowser());
    console.log('Signed in.');
    break;
  case 'call':
    await call(argument ?? '/');
    break;
  case 'logout':
    await logout();
    console.log('Signed out.');
    break;
  default:
    console.error('Usage: node main.ts login [--device] | call <path> | logout');
    process.exitCode = 1;
}

/** Reads the endpoints of the authorization server (RFC 8414). */
async function discover(): Promise<oauth.AuthorizationServer> {
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options });
  return oauth.processDiscoveryResponse(issuer, response);
}

/** Authorization code with PKCE and a loopback redirect (RFC 8252). */
async function loginInBrowser(): Promise<void> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  const codeVerifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint ?? '');
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectUri,
    code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    state,
  }).toString();
  console.log(`Open ${url} if your browser does not.`);
  openBrowser(url.href);

  const [request, response] = await once(listener, 'request');
  response.setHeader('Connection', 'close').end('You can close this window.');
  listener.close();
  const callback = new URL(request.url, redirectUri);
  const parameters = oauth.validateAuthResponse(server, client, callback, state);
  const redeemed = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    publicClient,
    parameters,
    redirectUri,
    codeVerifier,
    options,
  );
  saveTokens(await oauth.processAuthorizationCodeResponse(server, client, redeemed));
}

/** The device grant (RFC 8628), for a computer without a browser. */
async function loginOnDevice(): Promise<void> {
  const response = await oauth.deviceAuthorizationRequest(
    server,
    client,
    publicClient,
    {},
    options,
  );
  const device = await oauth.processDeviceAuthorizationResponse(server, client, response);
  console.log(`Open ${device.verification_uri} and enter ${device.user_code}.`);
  let seconds = device.interval ?? 5;
  for (;;) {
    await wait(seconds * 1000);
    try {
      const polled = await oauth.deviceCodeGrantRequest(
        server,
        client,
        publicClient,
        device.device_code,
        options,
      );
      return saveTokens(await oauth.processDeviceCodeResponse(server, client, polled));
    } catch (error) {
      if (!(error instanceof oauth.ResponseBodyError)) throw error;
      if (error.error === 'slow_down') seconds += 5;
      else if (error.error !== 'authorization_pending') throw error;
    }
  }
}

/** Calls a route of the BFF, with a new handle if the last one has expired. */
async function call(path: string): Promise<void> {
  const tokens = readTokens();
  if (!tokens) return fail('Not signed in. Run: node main.ts login');
  let response = await send(path, tokens.access_token);
  if (response.status === 401 && tokens.refresh_token) {
    const renewed = await refresh(tokens.refresh_token);
    if (!renewed) return fail('The session has ended. Run: node main.ts login');
    response = await send(path, renewed.access_token);
  }
  console.log(await response.text());
  if (!response.ok) process.exitCode = 1;
}

/** Each refresh token works once, so the new one is saved before anything else. */
async function refresh(refreshToken: string): Promise<oauth.TokenEndpointResponse | undefined> {
  const response = await oauth.refreshTokenGrantRequest(
    server,
    client,
    publicClient,
    refreshToken,
    options,
  );
  try {
    const tokens = await oauth.processRefreshTokenResponse(server, client, response);
    saveTokens(tokens);
    return tokens;
  } catch (error) {
    if (!(error instanceof oauth.ResponseBodyError) || error.error !== 'invalid_grant') throw error;
    removeTokens();
    return undefined;
  }
}

/** Ends the session, here and at the provider (RFC 7009). */
async function logout(): Promise<void> {
  const { refresh_token: token } = readTokens() ?? {};
  if (token) await oauth.revocationRequest(server, client, publicClient, token, options);
  removeTokens();
}

function send(path: string, accessToken: string): Promise<Response> {
  return fetch(new URL(path, bffUrl), { headers: { Authorization: `Bearer ${accessToken}` } });
}

function openBrowser(url: string): void {
  const program = { darwin: 'open', win32: 'explorer' }[process.platform as string] ?? 'xdg-open';
  // Without a browser the user opens the printed address.
  spawn(program, [url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
