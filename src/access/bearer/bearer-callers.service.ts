import { Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { BffError } from '../../errors.ts';
import { after, type MaybePromise } from '../../http/maybe-promise.ts';
import { BearerIssuers } from '../../oauth/bearer/bearer-issuers.ts';
import { DpopProofs } from '../../oauth/bearer/dpop-proofs.ts';
import type { VerifiedToken } from '../../oauth/bearer/verified-token.ts';
import { ClientHandlesService } from '../../session/clients/client-handles.service.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../../session/session-options.ts';
import { SessionReaderService } from '../../session/sessions/session-reader.service.ts';
import type { Session } from '../../session/sessions/session.ts';
import type { BearerRoute } from './bearer-route.ts';
import { challenged } from './challenge.ts';

/** A caller that was identified by the access token in `Authorization`. */
export interface BearerCaller {
  /** The session of a handle. `undefined` for a token of another authorization server. */
  readonly session: Session | undefined;
  /** A token of another authorization server. `undefined` for a handle. */
  readonly foreign: ForeignToken | undefined;
  /** The end of the access token, in epoch milliseconds. */
  readonly expiresAt: number;
}

/** A verified token of another authorization server, with the token itself. */
export interface ForeignToken extends VerifiedToken {
  readonly accessToken: string;
}

/** The credentials of a request (RFC 6750 §2.1, RFC 9449 §7.1). */
interface Credentials {
  readonly isDpop: boolean;
  readonly accessToken: string;
}

/** An access token of either kind, before its key and scopes are checked. */
interface KnownToken extends BearerCaller {
  readonly scopes: readonly string[];
  readonly keyThumbprint?: string | undefined;
}

/** The scheme and a token of RFC 6750 §2.1. */
const credentialsForm = /^(bearer|dpop) +([\w.~+/-]+=*)$/i;

/** Identifies callers by the access token in their `Authorization` header, and by nothing else. */
@Injectable()
export class BearerCallersService {
  constructor(
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    private readonly handles: ClientHandlesService,
    private readonly sessions: SessionReaderService,
    private readonly issuers: BearerIssuers,
    private readonly proofs: DpopProofs,
  ) {}

  /**
   * Returns the caller of a request with `Authorization`. Throws `invalid_token` or
   * `insufficient_scope` with a challenge, and `session_store_unavailable`, `provider_unavailable`
   * or `rate_limited`. A WebSocket does not renew the idle time of its session.
   */
  callerOf(request: Request, route: BearerRoute, isWebSocket: boolean): MaybePromise<BearerCaller> {
    try {
      const caller = this.#identify(request, route, isWebSocket);
      return caller instanceof Promise ? caller.catch(withChallenge(route)) : caller;
    } catch (error) {
      return withChallenge(route)(error);
    }
  }

  #identify(
    request: Request,
    route: BearerRoute,
    isWebSocket: boolean,
  ): MaybePromise<BearerCaller> {
    const credentials = credentialsOf(request);
    return after(this.#read(credentials.accessToken, route, isWebSocket), (token) =>
      after(this.#requireKey(request, credentials, token), () => {
        const missing = route.scopes.filter((scope) => !token.scopes.includes(scope));
        if (missing.length === 0) return token;
        const cause = new Error(`the token lacks ${missing.join(' ')}`);
        throw new BffError('insufficient_scope', { cause });
      }),
    );
  }

  #read(accessToken: string, route: BearerRoute, isWebSocket: boolean): MaybePromise<KnownToken> {
    if (this.handles.isHandle(accessToken))
      return this.#readHandle(accessToken, route, isWebSocket);
    return after(this.issuers.verify(accessToken), (verified) => {
      const { expiresAt, scopes, keyThumbprint } = verified;
      const foreign = { ...verified, accessToken };
      return { session: undefined, foreign, expiresAt, scopes, keyThumbprint };
    });
  }

  #readHandle(
    accessToken: string,
    { resource }: BearerRoute,
    isWebSocket: boolean,
  ): MaybePromise<KnownToken> {
    const handle = this.handles.read(accessToken);
    if (!handle) throw refused('the handle has expired or is not ours');
    const { sessionId, clientId, scopes, expiresAt, keyThumbprint } = handle;
    if (handle.resource !== undefined && handle.resource !== resource)
      throw refused('the handle is for another resource');
    const found = isWebSocket ? this.sessions.find(sessionId) : this.sessions.readById(sessionId);
    return after(found, (session) => {
      if (session?.client?.id !== clientId) throw refused('the session of the handle has ended');
      return { session, foreign: undefined, expiresAt, scopes, keyThumbprint };
    });
  }

  /** A token is bound to a key exactly if the scheme is `DPoP` (RFC 9449 §7.1, §7.2). */
  #requireKey(
    { method, originalUrl, headers }: Request,
    { isDpop, accessToken }: Credentials,
    { keyThumbprint }: KnownToken,
  ): MaybePromise<void> {
    if (keyThumbprint === undefined) {
      if (isDpop) throw refused('the token is bound to no key');
      return undefined;
    }
    if (!isDpop) throw refused('the token is bound to a key and needs the scheme DPoP');
    const url = this.options.publicUrl + originalUrl;
    const proof = headers['dpop'];
    const one = typeof proof === 'string' ? proof : undefined;
    return this.proofs.verify(one, { method, url, accessToken, keyThumbprint });
  }
}

/** Reads the one `Authorization` field. Of two, Node.js would return the first. */
function credentialsOf({ headers, rawHeaders }: Request): Credentials {
  const fields = rawHeaders.filter(
    (name, index) => index % 2 === 0 && name.toLowerCase() === 'authorization',
  );
  const [, scheme = '', accessToken] = credentialsForm.exec(headers.authorization ?? '') ?? [];
  if (fields.length !== 1 || accessToken === undefined)
    throw refused('Authorization is no Bearer or DPoP token');
  return { isDpop: scheme.toLowerCase() === 'dpop', accessToken };
}

function refused(reason: string): BffError {
  return new BffError('invalid_token', { cause: new Error(reason) });
}

/** Adds the challenge of the route to errors about the token. */
function withChallenge(route: BearerRoute): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof BffError)) throw error;
    const { code, cause } = error;
    if (code !== 'invalid_token' && code !== 'insufficient_scope') throw error;
    throw challenged(code, route, { cause });
  };
}
