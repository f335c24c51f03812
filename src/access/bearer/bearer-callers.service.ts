import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../../errors.ts';
import { BearerIssuers } from '../../oauth/bearer/bearer-issuers.ts';
import { DpopProofs } from '../../oauth/bearer/dpop-proofs.ts';
import type { VerifiedToken } from '../../oauth/bearer/verified-token.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../../session/session-options.ts';
import {
  type ClientHandle,
  ClientHandlesService,
} from '../../session/clients/client-handles.service.ts';
import type { Session } from '../../session/sessions/session.ts';
import { SessionReaderService } from '../../session/sessions/session-reader.service.ts';
import type { BearerRoute } from './bearer-route.ts';
import { type Credentials, readCredentials } from './credentials.ts';

/** A verified access token of another issuer, with the token itself. */
export interface CallerToken extends VerifiedToken {
  readonly value: string;
}

/** The caller of a request with an access token. */
export interface BearerCaller {
  /** The session that a handle of our own authorization server refers to. */
  readonly session: Session | undefined;
  /** The access token, if another issuer has issued it. */
  readonly token: CallerToken | undefined;
  /** The end of the access token, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** Finds out who calls with an access token, from the `Authorization` header alone. */
@Injectable()
export class BearerCallersService {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    @Inject(BearerIssuers) private readonly issuers: BearerIssuers | undefined,
    private readonly proofs: DpopProofs,
    private readonly handles: ClientHandlesService,
    private readonly sessions: SessionReaderService,
  ) {}

  /**
   * Returns the caller of a request with `Authorization`, and names it in the line of the request
   * in the log. A call renews the idle time of its session, unless `isHandshake`. Rejects with `not_signed_in` for a scheme that we do not know,
   * `invalid_token`, `insufficient_scope`, `invalid_request` for several `Authorization` fields,
   * `session_store_unavailable`, and the errors of `BearerIssuers` and `DpopProofs`.
   */
  async callerOf(
    request: Request,
    route: BearerRoute,
    isHandshake: boolean,
  ): Promise<BearerCaller> {
    const credentials = readCredentials(request);
    if (!credentials) throw new BffError('not_signed_in', { extensions: { loginUrl: undefined } });
    return this.handles.isHandle(credentials.token)
      ? this.#callerWithHandle(request, credentials, route, isHandshake)
      : this.#callerOfIssuer(request, credentials, route);
  }

  async #callerWithHandle(
    request: Request,
    credentials: Credentials,
    route: BearerRoute,
    isHandshake: boolean,
  ): Promise<BearerCaller> {
    const handle = this.handles.read(credentials.token);
    if (!handle) throw invalid('forged or expired');
    if (handle.resource !== undefined && handle.resource !== route.resource)
      throw invalid(`for another resource: ${handle.resource}`);
    await this.#requireKey(request, credentials, handle.keyThumbprint);
    const session = await this.#sessionOf(handle, isHandshake);
    request.caller = { kind: 'client', name: handle.clientId };
    refuseMissingScopes(handle.scopes, route);
    return { session, token: undefined, expiresAt: handle.expiresAt };
  }

  async #callerOfIssuer(
    request: Request,
    credentials: Credentials,
    route: BearerRoute,
  ): Promise<BearerCaller> {
    if (!this.issuers) throw invalid('not of our own authorization server');
    const verified = await this.issuers.verify(credentials.token);
    await this.#requireKey(request, credentials, verified.keyThumbprint);
    request.caller = { kind: 'issuer', name: verified.issuer };
    refuseMissingScopes(verified.scopes, route);
    const token = { ...verified, value: credentials.token };
    return { session: undefined, token, expiresAt: verified.expiresAt };
  }

  /** Requires the scheme of the token, and for a bound token a proof of its key. */
  async #requireKey(
    { method, originalUrl, headers }: Request,
    credentials: Credentials,
    keyThumbprint: string | undefined,
  ): Promise<void> {
    refuseOtherScheme(credentials, keyThumbprint);
    if (keyThumbprint === undefined) return;
    const { dpop } = headers;
    const proof = typeof dpop === 'string' ? dpop : undefined;
    const url = this.options.publicUrl + originalUrl;
    const bound = { method, url, accessToken: credentials.token, keyThumbprint };
    await this.proofs.verify(proof, bound);
  }

  async #sessionOf({ sessionId, clientId }: ClientHandle, isHandshake: boolean): Promise<Session> {
    // A client in the background reconnects its WebSocket. That must not extend the session.
    const reading = isHandshake ? this.sessions.find(sessionId) : this.sessions.readById(sessionId);
    const session = await reading;
    if (!session) throw invalid('its session has ended');
    if (session.client?.id !== clientId) throw invalid('its session is of another client');
    return session;
  }
}

/**
 * Throws `invalid_token` unless the scheme is that of the token. A bound token without its proof
 * could be a stolen one (RFC 9449 §7.2), and a proof says nothing about a token that is not bound.
 */
function refuseOtherScheme({ scheme }: Credentials, keyThumbprint: string | undefined): void {
  const isBound = keyThumbprint !== undefined;
  if (isBound !== (scheme === 'DPoP'))
    throw invalid(`${isBound ? 'bound to a key' : 'bound to no key'}, sent as ${scheme}`);
}

/** Throws `insufficient_scope` unless the token has every scope of the route. */
function refuseMissingScopes(scopes: readonly string[], route: BearerRoute): void {
  const missing = route.scopes.filter((scope) => !scopes.includes(scope));
  if (missing.length === 0) return;
  const cause = new Error(`the access token lacks ${missing.join(' ')}`);
  throw new BffError('insufficient_scope', { cause });
}

function invalid(reason: string): BffError {
  return new BffError('invalid_token', { cause: new Error(`access token: ${reason}`) });
}
