import type { Request, Response } from 'express';
import type { Session } from '../session/sessions/session.ts';

/** Injects the `AuthorizationServer`, or `undefined` if none is configured. */
export const AUTHORIZATION_SERVER = Symbol('authorization server');

/** A request of a client that waits for its user to sign in and to consent. */
export interface AuthorizationRequest {
  /** Identifies the request in the address of its page. */
  readonly id: string;
  readonly client: RequestingClient;
  /** The address that receives the code. `undefined` in the device grant. */
  readonly redirectUri: string | undefined;
  /** The scopes that the client gets. */
  readonly scopes: readonly string[];
  /** The only resources where its handles will be valid. Empty if every bearer route is. */
  readonly resources: readonly string[];
  /** The account that the client suggests (OIDC Core §3.1.2.1). `undefined` if it suggests none. */
  readonly loginHint: string | undefined;
}

/** The client of an authorization request. */
export interface RequestingClient {
  readonly id: string;
  readonly name: string;
}

/** The protocol of the authorization server for our own clients. */
export interface AuthorizationServer {
  /** Responds to a request to one of the protocol's endpoints. */
  serve(request: Request, response: Response): Promise<void>;
  /**
   * Returns the authorization request that this browser began. Throws `login_expired` if there is
   * none, or if another browser began it.
   */
  requestOf(request: Request, response: Response): Promise<AuthorizationRequest>;
  /** Grants the request to the client of a session, and sends the browser on. */
  approve(
    request: Request,
    response: Response,
    authorization: AuthorizationRequest,
    session: Session,
  ): Promise<void>;
  /** Refuses the request with `access_denied`, and sends the browser on. */
  deny(request: Request, response: Response): Promise<void>;
}
