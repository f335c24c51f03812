import { Injectable, Logger } from '@nestjs/common';
import { BffError } from '../errors.ts';
import { ProviderRegistry } from '../oauth/provider-registry.ts';
import { hostTokenPolicy } from '../oauth/tokens/token-policy.ts';
import type { TokenSet } from '../oauth/tokens/token-set.ts';
import { sessionAt } from '../session/sessions/linked-accounts.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';
import type { Session } from '../session/sessions/session.ts';
import type { SessionGroup } from '../session/sessions/session-index.ts';
import { SignedInSessionsService } from '../session/sessions/signed-in-sessions.service.ts';
import { RouteTokenService } from '../session/tokens/route-token.service.ts';
import { Recorder } from '../telemetry/recorder.ts';
import type { RequestHead } from './context-request.ts';
import { type User, userIn, userOf } from './user.ts';

/** Selects an access token of the signed-in user. Without options it is that of the sign-in. */
export interface AccessTokenOptions {
  /** The resource of the token (RFC 8707), an absolute URI as the provider knows it. */
  readonly resource?: string;
  /** The audience of a token that is exchanged for that of the sign-in (RFC 8693). */
  readonly audience?: string;
  /** The scopes of the token, separated by spaces. By default all granted scopes. */
  readonly scope?: string;
  /** The `id` of the provider that issues the token. Defaults to the first provider. */
  readonly provider?: string;
}

/** Selects the sessions to end. */
export interface EndSessionsOptions {
  /** The subject of the user. */
  readonly sub: string;
  /**
   * The `id` of the provider at which `sub` signed in. By default, all configured providers are
   * searched for this `sub`, which may be a different user at each.
   */
  readonly provider?: string;
  /** The `sid` of one session at the provider (OIDC Back-Channel Logout §2.1). Default: all. */
  readonly sid?: string;
}

/**
 * Gives the code of a host application access to the sessions of the BFF. Every module can inject
 * it. Requests are Express requests or handshakes of WebSockets.
 */
@Injectable()
export class BffService {
  readonly #logger = new Logger(BffService.name);

  constructor(
    private readonly reader: SessionReaderService,
    private readonly routeTokens: RouteTokenService,
    private readonly sessions: SignedInSessionsService,
    private readonly providers: ProviderRegistry,
    private readonly recorder: Recorder,
  ) {}

  /**
   * Returns a valid access token of the signed-in user, for a call of the host application itself.
   * It is the token that a route with the same options sends, and it is refreshed before it
   * expires. Usually this needs neither Redis nor the provider. Request the token for every call
   * instead of keeping it. A session stores up to 32 tokens, so `scope` and `resource` should come
   * from a fixed list.
   *
   * Throws `BffError`: `not_signed_in` without a session, without an account at the provider, or if
   * a token requires another sign-in; `token_refused` if the provider issues no such token;
   * `provider_unavailable` or `session_store_unavailable` during an outage; `unknown_provider`.
   * Throws an `Error` if the token is bound to a key (DPoP), because it is useless without the key.
   */
  async accessToken(request: RequestHead, options: AccessTokenOptions = {}): Promise<string> {
    const provider = this.providers.get(options.provider).id;
    const session = await this.#sessionOf(request);
    const account = session && sessionAt(session, provider);
    if (!account) throw new BffError('not_signed_in');
    const policy = hostTokenPolicy(options, provider);
    const tokens = await this.routeTokens.tokensFor(policy, account);
    if (!tokens) throw new BffError('not_signed_in');
    return bearerTokenIn(tokens);
  }

  /**
   * Returns the signed-in user of a request, `undefined` if there is none. Does not check the CSRF
   * header: use `SignedInGuard` for handlers that change something. Throws
   * `session_store_unavailable`.
   */
  async user(request: RequestHead): Promise<User | undefined> {
    const known = userOf(request);
    if (known) return known;
    const session = await this.#sessionOf(request);
    return session && userIn(session);
  }

  /**
   * Ends sessions of a user on all devices, revokes their tokens in the background, and refuses
   * sign-ins of the user that are in progress. When it resolves, the sessions have ended on every
   * replica. Returns their number. Throws `unknown_provider` or `session_store_unavailable`.
   */
  async endSessions({ sub, provider, sid }: EndSessionsOptions): Promise<number> {
    let ended = 0;
    for (const group of this.#groupsOf(sub, provider)) {
      if (sid === undefined) ended += await this.sessions.endGroup(group, 'always');
      else
        ended += await this.#endAt({ issuer: group.issuer, clientIds: group.clientIds, sid }, sub);
    }
    this.#logger.log({ msg: 'sessions ended by the application', sessions: ended });
    this.recorder.sessionsEnded('application', ended);
    return ended;
  }

  /** Ends the sessions of a `sid` only if they belong to the user. */
  async #endAt(group: SessionGroup, sub: string): Promise<number> {
    const subjects = await this.sessions.subjectsOf(group);
    if (subjects.length === 0 || subjects.some((subject) => subject !== sub)) return 0;
    return this.sessions.endGroup(group, 'always');
  }

  #groupsOf(sub: string, provider: string | undefined): SessionGroup[] {
    if (provider !== undefined) {
      const { issuer, clientId } = this.providers.get(provider).options;
      return [{ issuer, clientIds: [clientId], sub }];
    }
    const issuers = new Set(this.providers.all.map(({ options }) => options.issuer));
    return [...issuers].map((issuer) => {
      const clientIds = this.providers.clientIdsOf(issuer);
      return { issuer, clientIds, sub };
    });
  }

  /**
   * Messages of a WebSocket do not extend the session, because a background page sends them too.
   */
  async #sessionOf({ headers }: RequestHead): Promise<Session | undefined> {
    const isHandshake = headers.upgrade !== undefined;
    return isHandshake ? this.reader.peek(headers.cookie) : this.reader.read(headers.cookie);
  }
}

function bearerTokenIn({ accessToken, dpopKey }: TokenSet): string {
  if (!dpopKey) return accessToken;
  throw new Error(
    'The provider binds access tokens to a key (dpop: true), and an API refuses them without a ' +
      'proof for each request. Call the API through a route of the BFF, which makes the proofs.',
  );
}
