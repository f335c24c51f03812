import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import type { Claims } from '../oauth/login/claims.ts';
import { BffError } from '../errors.ts';
import { refuseForgery } from '../session/cookie/csrf.ts';
import { SESSION_OPTIONS, type SessionRoomOptions } from '../session/session-options.ts';
import { SessionReaderService } from '../session/sessions/session-reader.service.ts';

/** The signed-in user, for controllers of a host application. Contains no token. */
export interface User {
  readonly sub: string;
  readonly provider: string;
  readonly claims: Claims;
}

const users = new WeakMap<Request, User>();

/** Returns the user that `SignedInGuard` admitted, `undefined` if the guard did not run. */
export function userOf(request: Request): User | undefined {
  return users.get(request);
}

/**
 * Admits signed-in users to a host application's own controllers, under the same rules as a proxied
 * route: the CSRF header first, then the session. Throws `csrf`, `not_signed_in` or
 * `session_store_unavailable`.
 */
@Injectable()
export class SignedInGuard implements CanActivate {
  constructor(
    private readonly reader: SessionReaderService,
    @Inject(SESSION_OPTIONS) private readonly options: SessionRoomOptions,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<Request>();
    refuseForgery(request.headers, this.options.csrf, this.options.publicUrl);
    const session = await this.reader.read(request.headers.cookie);
    if (!session) throw new BffError('not_signed_in');
    const { sub, provider, claims } = session;
    users.set(request, { sub, provider, claims });
    return true;
  }
}
