import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../../clock.ts';
import { Sealing } from '../store/sealing.ts';

/** The start of every handle. Secret scanners find it, and introspection never sees it. */
const prefix = 'pxb_';

const label = 'client handle';

/** What an access token of our own authorization server says. */
export interface ClientHandle {
  /** The session that the client calls with. The handle is worthless after its end. */
  readonly sessionId: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** The only resource where it is valid (RFC 8707). `undefined` if every bearer route is. */
  readonly resource?: string;
  /** The end of the handle, in epoch milliseconds. */
  readonly expiresAt: number;
  /** The JWK thumbprint of the key that it is bound to (RFC 9449 §6). `undefined` if it is not. */
  readonly keyThumbprint?: string;
}

/**
 * Issues and reads the access tokens of our own authorization server. A handle is opaque to
 * everyone else: sealed with the session secrets, so no store must be asked about it. It is a
 * reference to a session and ends with it.
 */
@Injectable()
export class ClientHandlesService {
  constructor(
    private readonly sealing: Sealing,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Whether a token has the form of a handle. */
  isHandle(token: string): boolean {
    return token.startsWith(prefix);
  }

  issue(handle: ClientHandle): string {
    return prefix + this.sealing.seal(JSON.stringify(handle), label);
  }

  /** Reads a handle. `undefined` if it is forged, of another secret, or has expired. */
  read(token: string): ClientHandle | undefined {
    if (!this.isHandle(token)) return undefined;
    const text = this.sealing.open(token.slice(prefix.length), label);
    const handle = text === undefined ? undefined : (JSON.parse(text) as ClientHandle);
    return handle && handle.expiresAt > this.clock() ? handle : undefined;
  }
}
