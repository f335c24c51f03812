import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { BffError } from '../errors.ts';
import { AccessService } from './access.service.ts';
import { isHandshake, type RequestHead, requestOf } from './context-request.ts';
import { refusalOf } from './required-rules.ts';
import { refuseForeignHandshake, refuseForgery } from '../session/cookie/csrf.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session/session-options.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';
import { userIn, withUser } from './user.ts';

/**
 * Admits only signed-in users to controllers, GraphQL resolvers and WebSocket gateways of a host
 * application. Makes the same checks as a proxied route: first the CSRF header, then the session,
 * then the rules of `@Require`. For a WebSocket, the `Origin` of the handshake is checked instead
 * of the CSRF header. Throws `csrf`, `not_signed_in`, `not_allowed` or `session_store_unavailable`.
 */
@Injectable()
export class SignedInGuard implements CanActivate {
  constructor(
    private readonly reader: SessionReaderService,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
    private readonly access: AccessService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = requestOf(context);
    const { cookie } = request.headers;
    const isWebSocket = isHandshake(context, request);
    this.#refuseForgery(request, isWebSocket);
    // A background page keeps its WebSocket open. That must not extend the session.
    const session = await (isWebSocket ? this.reader.peek(cookie) : this.reader.read(cookie));
    if (!session) throw new BffError('not_signed_in');
    const user = userIn(session);
    const refusal = refusalOf(context, user.claims);
    if (refusal) throw this.access.refused(refusal, 'host');
    withUser(request, user);
    return true;
  }

  #refuseForgery({ headers }: RequestHead, isWebSocket: boolean): void {
    const { csrf, publicUrl } = this.options;
    if (isWebSocket) refuseForeignHandshake(headers, publicUrl);
    else refuseForgery(headers, csrf, publicUrl);
  }
}
