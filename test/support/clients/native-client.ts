import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestBff } from '../bff/bff.ts';
import type { Page, TestBrowser } from '../browser/browser.ts';

type Parameters = Readonly<Record<string, string | null>>;

/** The tokens in a token response, or the error. */
export interface TokenResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly access_token: string;
  readonly refresh_token: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope?: string;
  readonly error?: string;
}

/** Authorizes a client of the BFF's own authorization server, and returns it once it listens. */
export async function startNativeClient(bff: TestBff, clientId = 'cli'): Promise<NativeClient> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new NativeClient(bff, clientId, server);
}

/** A command-line client with a loopback redirect (RFC 8252 §7.3), by raw requests. */
export class NativeClient {
  readonly redirectUri: string;
  readonly issuer: string;
  /** The verifier of the latest authorization request. */
  codeVerifier = '';
  /** Where the client sends its user on to after the next redirect. Optional. */
  nextPage: string | undefined;

  constructor(
    private readonly bff: TestBff,
    readonly clientId: string,
    private readonly server: Server,
  ) {
    const { port } = server.address() as AddressInfo;
    this.redirectUri = `http://127.0.0.1:${port}/callback`;
    this.issuer = `${bff.url}${bff.options.basePath}/oauth`;
    server.on('request', (_request, response: ServerResponse) => {
      if (this.nextPage !== undefined) response.writeHead(302, { Location: this.nextPage });
      this.nextPage = undefined;
      response.end('You can close this window.');
    });
  }

  /** A new authorization request. `null` leaves a parameter out. */
  authorizationUrl(changes: Parameters = {}): string {
    this.codeVerifier = randomBytes(32).toString('base64url');
    const challenge = createHash('sha256').update(this.codeVerifier).digest('base64url');
    return this.urlOf('authorize', {
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: this.redirectUri,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 'state-of-the-client',
      login_hint: 'alice',
      ...changes,
    });
  }

  /** The consent page after a sign-in, or the last page of a request that does not get there. */
  begin(browser: TestBrowser, changes: Parameters = {}): Promise<Page> {
    return browser.navigate(this.authorizationUrl(changes));
  }

  /** Signs in, consents, and returns the address that the client receives. */
  async authorize(browser: TestBrowser, changes: Parameters = {}): Promise<URL> {
    const page = await this.begin(browser, changes);
    const last = await browser.submit(page, { decision: 'allow' });
    if (!last.url.startsWith(this.redirectUri))
      throw new Error(`The client got no code: ${last.status} ${last.url}\n${last.body}`);
    return new URL(last.url);
  }

  /** Redeems the code of a redirect. */
  redeem(callback: URL, changes: Parameters = {}, headers: HeadersInit = {}) {
    return this.token(
      {
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: this.redirectUri,
        code_verifier: this.codeVerifier,
        ...changes,
      },
      headers,
    );
  }

  /** Signs in and returns the tokens. */
  async signIn(browser: TestBrowser = this.bff.browser(), changes: Parameters = {}) {
    const tokens = await this.redeem(await this.authorize(browser, changes));
    if (tokens.status !== 200) throw new Error(`No tokens: ${tokens.status} ${tokens.error}`);
    return tokens;
  }

  refresh(refreshToken: string, changes: Parameters = {}, headers: HeadersInit = {}) {
    const grant = { grant_type: 'refresh_token', refresh_token: refreshToken };
    return this.token({ ...grant, ...changes }, headers);
  }

  async revoke(token: string, changes: Parameters = {}): Promise<number> {
    return (await this.post('revoke', { token, ...changes })).status;
  }

  async token(parameters: Parameters, headers: HeadersInit = {}): Promise<TokenResponse> {
    const response = await this.post('token', parameters, headers);
    const body = (await response.json()) as TokenResponse;
    return { ...body, status: response.status, headers: response.headers };
  }

  /** Sends a form to an endpoint of the authorization server, at this client's replica. */
  post(endpoint: string, parameters: Parameters, headers: HeadersInit = {}): Promise<Response> {
    const body = new URLSearchParams(definedOf({ client_id: this.clientId, ...parameters }));
    const url = `http://127.0.0.1:${this.bff.port}${this.bff.options.basePath}/oauth/${endpoint}`;
    return fetch(url, { method: 'POST', body, headers });
  }

  urlOf(endpoint: string, parameters: Parameters): string {
    return `${this.issuer}/${endpoint}?${new URLSearchParams(definedOf(parameters))}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

function definedOf(parameters: Parameters): Record<string, string> {
  const entries = Object.entries(parameters).filter(([, value]) => value !== null);
  return Object.fromEntries(entries) as Record<string, string>;
}
