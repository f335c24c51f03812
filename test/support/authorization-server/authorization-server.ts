import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import {
  Provider,
  type ClientAuthMethod,
  type ClientMetadata,
  type InteractionResults,
  type JWK,
} from 'oidc-provider';
import type { AuthorizationServerOptions, People } from './options.ts';
import { oidcConfiguration, personHinted, signingKeys } from './oidc-configuration.ts';
import { changeJson, pathOf, type Endpoint, type Transform } from './oidc-endpoints.ts';
import { OidcStorage } from './oidc-storage.ts';
import { RecordedRequest } from '../upstream/recorder.ts';
import { closeServer, createHttpServer, listen } from '../upstream/upstream.ts';
import type { Handler } from '../upstream/responses.ts';

export type { AuthorizationServerOptions, People } from './options.ts';

/**
 * What its sign-in page does with the person: signs in, denies, or finishes with a result of the
 * test's own.
 */
export type Interaction =
  'sign-in' | 'deny' | ((params: Record<string, unknown>) => InteractionResults);

const defaultPeople: People = {
  alice: { name: 'Alice Adams', email: 'alice@example.com', email_verified: true },
  bob: { name: 'Bob Brown', email: 'bob@example.com', email_verified: true },
};

/**
 * Starts a real authorization server (oidc-provider) in this process, on a loopback port of its
 * own.
 */
export async function startAuthorizationServer(
  options: AuthorizationServerOptions = {},
): Promise<AuthorizationServer> {
  const server = new AuthorizationServer(options);
  await server.comeBack();
  return server;
}

/** A running authorization server. It records every request, and a test can make it misbehave. */
export class AuthorizationServer {
  readonly clientId: string;
  readonly clientSecret: string;
  /** May be changed while it runs. */
  readonly people: People;
  /** May be changed while it runs. */
  interaction: Interaction = 'sign-in';
  /** Every request it received, in order of arrival. Empty it with `requests.length = 0`. */
  readonly requests: RecordedRequest[] = [];
  readonly #options: AuthorizationServerOptions;
  readonly #storage = new OidcStorage();
  readonly #overrides = new Map<string, Handler>();
  readonly #transforms = new Map<string, Transform>();
  #server: Server | undefined;
  #port = 0;
  #provider: Provider | undefined;

  constructor(options: AuthorizationServerOptions) {
    this.#options = options;
    this.people = options.people ?? structuredClone(defaultPeople);
    this.clientId = options.clientId ?? 'test-client';
    // Every character here is changed by one of the encodings a client may forget (RFC 6749
    // §2.3.1).
    this.clientSecret = options.clientSecret ?? 'only:for+tests/with%2Fodd characters';
    this.registerClient({});
  }

  get clientAuth(): ClientAuthMethod {
    return this.#options.clientAuth ?? 'client_secret_basic';
  }

  /** Whether the client proves itself by its secret. */
  get usesSecret(): boolean {
    return this.clientAuth.startsWith('client_secret');
  }

  get port(): number {
    return this.#port;
  }

  get issuer(): string {
    const { tls, host = '127.0.0.1' } = this.#options;
    return `${tls ? 'https' : 'http'}://${host}:${this.#port}`;
  }

  /** The oidc-provider instance, for settings that this class does not cover. */
  get provider(): Provider {
    if (!this.#provider) throw new Error('The authorization server has not been started.');
    return this.#provider;
  }

  /** Its private keys: `rsa`, `ec` and `ed` by `kid`. */
  get signingKeys(): readonly JWK[] {
    return signingKeys();
  }

  /** What is registered of the client. */
  get client(): Partial<ClientMetadata> {
    return this.#storage.clients.get(this.clientId) ?? {};
  }

  /**
   * Registers the client again with these metadata over the defaults; another `client_id` registers
   * one more.
   */
  registerClient(metadata: Partial<ClientMetadata>): void {
    const { refreshTokens = true, clientCredentials, client } = this.#options;
    const id = metadata.client_id ?? this.clientId;
    this.#storage.clients.set(id, {
      client_id: id,
      ...(this.usesSecret && { client_secret: this.clientSecret }),
      token_endpoint_auth_method: this.clientAuth,
      redirect_uris: ['http://localhost/not-registered-yet'],
      response_types: ['code'],
      grant_types: [
        'authorization_code',
        ...(refreshTokens ? ['refresh_token'] : []),
        ...(clientCredentials ? ['client_credentials'] : []),
      ],
      ...client,
      ...this.#storage.clients.get(id),
      ...metadata,
    });
  }

  /**
   * Replaces an endpoint's handler; undefined restores the original. A handler that returns
   * `'continue'` leaves the request to the original.
   */
  override(endpoint: Endpoint, handler: Handler | undefined): void {
    if (handler) this.#overrides.set(pathOf(endpoint), handler);
    else this.#overrides.delete(pathOf(endpoint));
  }

  /** Changes an endpoint's JSON response; undefined stops changing it. */
  transform(endpoint: Endpoint, change: Transform | undefined): void {
    if (change) this.#transforms.set(pathOf(endpoint), change);
    else this.#transforms.delete(pathOf(endpoint));
  }

  /** Ends every override and every transform. */
  behave(): void {
    this.#overrides.clear();
    this.#transforms.clear();
  }

  requestsTo(endpoint: Endpoint): RecordedRequest[] {
    return this.requests.filter(({ path }) => path === pathOf(endpoint));
  }

  /** Requests to the token endpoint; with a grant type only those. */
  tokenRequests(grantType?: string): RecordedRequest[] {
    return this.requestsTo('token').filter(
      ({ form }) => grantType === undefined || form.get('grant_type') === grantType,
    );
  }

  authorizationRequests(): RecordedRequest[] {
    return this.requestsTo('authorization');
  }

  /** Forgets every token and grant: the next refresh is `invalid_grant`. */
  revokeEverything(): void {
    this.#storage.revokeEverything();
  }

  /**
   * Whose access token this is; undefined when it is unknown, revoked or expired. For opaque ones
   * only.
   */
  async subjectOf(accessToken: string): Promise<string | undefined> {
    const token = await this.provider.AccessToken.find(accessToken);
    return token?.accountId;
  }

  /** Stops listening: connections are refused until `comeBack`. What it remembers stays. */
  async goDown(): Promise<void> {
    if (this.#server) await closeServer(this.#server);
  }

  /** Listens again on the same port. */
  async comeBack(): Promise<void> {
    this.#server = createHttpServer((request, response) => {
      this.#respond(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : undefined);
      });
    }, this.#options.tls);
    this.#port = (await listen(this.#server, this.#port)).port;
    this.#provider ??= new Provider(
      this.issuer,
      oidcConfiguration(this.#options, this.people, this.#storage),
    );
  }

  async close(): Promise<void> {
    await this.goDown();
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const recorded = new RecordedRequest(request);
    this.requests.push(recorded);
    for (const override of [this.#overrides.get('*'), this.#overrides.get(recorded.path)]) {
      if (!override) continue;
      await recorded.ended;
      if ((await override(request, response, recorded)) !== 'continue') return;
    }
    const change = this.#transforms.get(recorded.path);
    if (change) changeJson(response, change);
    if (recorded.path.startsWith('/interaction/')) await this.#interact(request, response);
    else await this.provider.callback()(request, response);
  }

  async #interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { params } = await this.provider.interactionDetails(request, response);
    const result = this.#interactionResult(params);
    await this.provider.interactionFinished(request, response, result);
  }

  #interactionResult(params: Record<string, unknown>): InteractionResults {
    if (this.interaction === 'deny') {
      return { error: 'access_denied', error_description: '<b>The person said no</b>' };
    }
    if (this.interaction !== 'sign-in') return this.interaction(params);
    const accountId =
      personHinted(this.people, params['login_hint']) ?? Object.keys(this.people)[0];
    if (!accountId) throw new Error('The authorization server knows nobody.');
    const acr = String(params['acr_values'] ?? 'urn:test:password').split(' ')[0] ?? '';
    return { login: { accountId, acr, amr: ['pwd'] }, consent: {} };
  }
}
