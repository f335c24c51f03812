import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Handler } from '../upstream/responses.ts';
import { RecordedRequest } from '../upstream/recorder.ts';
import { closeServer, createHttpServer, listen } from '../upstream/upstream.ts';

/** What a user has granted the client. */
export interface ServiceGrant {
  readonly person: string;
  readonly scopes: readonly string[];
  readonly redirectUri: string;
  readonly codeChallenge: string | undefined;
}

/** A response of a fake service: a status, and JSON or an empty body. */
export type ServiceResponse = readonly [status: number, body?: unknown];

/** The registration of our client at every fake service. */
export const registered = {
  clientId: 'registered-client',
  clientSecret: 'the+secret/of=it',
} as const;

/**
 * The common part of services with OAuth 2 but without OpenID Connect: a real HTTP server that
 * issues codes and tokens, and knows their users.
 */
export abstract class FakeService {
  /** What the user does on the authorization page. */
  consent: 'allow' | 'deny' = 'allow';
  /** The user who is signed in at the service. */
  person = 'alice';
  /** Every request it received, in order of arrival. */
  readonly requests: RecordedRequest[] = [];
  /**
   * Handlers that replace its own, by path. A handler that returns `'continue'` leaves the request
   * to the service.
   */
  readonly overrides = new Map<string, Handler>();
  protected readonly codes = new Map<string, ServiceGrant>();
  protected readonly accessTokens = new Map<string, ServiceGrant>();
  protected readonly refreshTokens = new Map<string, ServiceGrant>();
  readonly #server: Server = createHttpServer((request, response) => {
    const recorded = new RecordedRequest(request);
    this.requests.push(recorded);
    this.#respond(request, response, recorded).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens on a loopback port of its own; after `stop` on the same one again. */
  async start(): Promise<this> {
    this.#port = (await listen(this.#server, this.#port)).port;
    return this;
  }

  async stop(): Promise<void> {
    await closeServer(this.#server);
  }

  requestsTo(path: string): RecordedRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  isValid(accessToken: string): boolean {
    return this.accessTokens.has(accessToken);
  }

  /** Ends everything that was ever allowed. */
  forget(): void {
    for (const tokens of [this.codes, this.accessTokens, this.refreshTokens]) tokens.clear();
  }

  protected abstract serve(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    body: string,
  ): void;

  /** The authorization endpoint, with a signed-in user who decides at once. */
  protected authorize(response: ServerResponse, { searchParams }: URL, iss?: string): void {
    const callback = new URL(searchParams.get('redirect_uri') ?? '');
    const state = searchParams.get('state') ?? '';
    const result = this.consent === 'allow' ? { code: this.#newCode(searchParams) } : this.denial();
    const parameters = { ...result, state, ...(iss && { iss }) };
    callback.search = String(new URLSearchParams(parameters));
    response.writeHead(302, { location: callback.href }).end();
  }

  protected denial(): Record<string, string> {
    return { error: 'access_denied', error_description: 'The user said <no>.' };
  }

  /** Redeems a code once: returns its grant, or what is wrong with the request. */
  protected redeem(form: URLSearchParams): ServiceGrant | 'unknown' | 'verifier' | 'redirect' {
    const code = form.get('code') ?? '';
    const grant = this.codes.get(code);
    if (!grant) return 'unknown';
    this.codes.delete(code);
    if (form.get('redirect_uri') !== grant.redirectUri) return 'redirect';
    const challenge = createHash('sha256').update(form.get('code_verifier') ?? '');
    const isProved = challenge.digest('base64url') === grant.codeChallenge;
    return isProved ? grant : 'verifier';
  }

  protected newToken(prefix: string, grant: ServiceGrant, kind: 'access' | 'refresh'): string {
    const token = prefix + randomBytes(18).toString('hex');
    (kind === 'access' ? this.accessTokens : this.refreshTokens).set(token, grant);
    return token;
  }

  protected bearer(request: IncomingMessage): ServiceGrant | undefined {
    const [, token = ''] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    return this.accessTokens.get(token);
  }

  #newCode(request: URLSearchParams): string {
    const isS256 = request.get('code_challenge_method') === 'S256';
    const code = randomBytes(10).toString('hex');
    this.codes.set(code, {
      person: this.person,
      scopes: (request.get('scope') ?? '').split(' ').filter(Boolean),
      redirectUri: request.get('redirect_uri') ?? '',
      codeChallenge: isS256 ? (request.get('code_challenge') ?? undefined) : undefined,
    });
    return code;
  }

  async #respond(
    request: IncomingMessage,
    response: ServerResponse,
    recorded: RecordedRequest,
  ): Promise<void> {
    const body = await text(request);
    const url = new URL(request.url ?? '', this.url);
    const override = this.overrides.get(url.pathname);
    if (override && (await override(request, response, recorded)) !== 'continue') return;
    this.serve(request, response, url, body);
  }
}

/** Sends JSON, or an empty body. */
export function sendJson(response: ServerResponse, [status, body]: ServiceResponse): void {
  const isEmpty = body === undefined;
  response.writeHead(status, isEmpty ? {} : { 'content-type': 'application/json; charset=utf-8' });
  response.end(isEmpty ? undefined : JSON.stringify(body));
}
