import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Handler } from '../upstream/responses.ts';
import { RecordedRequest } from '../upstream/recorder.ts';
import { closeServer, createHttpServer, listen } from '../upstream/upstream.ts';

/** What somebody has allowed the client. */
export interface ServiceGrant {
  readonly person: string;
  readonly scopes: readonly string[];
  readonly redirectUri: string;
  readonly codeChallenge: string | undefined;
}

/** What a fake service answers: a status and JSON, or nothing. */
export type ServiceResponse = readonly [status: number, body?: unknown];

/** The registration of our client at every fake service. */
export const registered = {
  clientId: 'registered-client',
  clientSecret: 'the+secret/of=it',
} as const;

/**
 * What is alike in services that speak OAuth 2 alone: a real HTTP server that gives codes and
 * tokens, and knows whose they are.
 */
export abstract class FakeService {
  /** What their authorization page does with the person. */
  consent: 'allow' | 'deny' = 'allow';
  /** Who is signed in there. */
  person = 'alice';
  /** Everything it was asked, in order of arrival. */
  readonly requests: RecordedRequest[] = [];
  /** Answers in the place of its own, by path. `'continue'` lets it answer itself. */
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

  /** The authorization endpoint with somebody signed in there, who answers at once. */
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

  /**
   * The grant of a code, once. Absent: there is none, or the verifier or the redirect URI is not
   * the one of the request.
   */
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
