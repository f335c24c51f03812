import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from './clock.ts';
import type { Session } from './session.ts';

/** What a route may send on behalf of a session. */
export type AccessToken =
  { readonly kind: 'token'; readonly authorization: string } | { readonly kind: 'expired' };

/** A valid access token for a session. */
@Injectable()
export class AccessTokenService {
  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /** The session's access token as an `Authorization` value (RFC 6750 §2.1), unless its time is over. */
  accessTokenFor({ tokens }: Session): AccessToken {
    const isExpired = tokens.expiresAt !== undefined && tokens.expiresAt <= this.clock();
    return isExpired
      ? { kind: 'expired' }
      : { kind: 'token', authorization: `Bearer ${tokens.accessToken}` };
  }
}
