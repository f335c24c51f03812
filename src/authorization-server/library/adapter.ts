import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { Clock } from '../../clock.ts';
import type {
  ClientHandle,
  ClientHandlesService,
} from '../../session/clients/client-handles.service.ts';
import type { ClientSessionsService } from '../../session/clients/client-sessions.service.ts';
import type { AuthorizationServerRoomOptions } from '../authorization-server-options.ts';
import { guessing, refuseEarlyPoll } from './device-codes.ts';
import { type DocumentClientParts, DocumentClients } from './document-clients.ts';
import { anonymousLifetime, type LibraryRecords } from './records.ts';
import { translated } from './translated-errors.ts';

/** What an adapter works with. */
export interface AdapterParts extends DocumentClientParts {
  readonly records: LibraryRecords;
  readonly sessions: ClientSessionsService;
  readonly handles: ClientHandlesService;
  readonly clock: Clock;
}

/** The kinds of records that requests of clients without any authorization create. */
const anonymousKinds = new Set(['Interaction', 'DeviceCode', 'Session']);

/** Creates the adapters of the library, one for each kind of record. */
export function createAdapters(
  parts: AdapterParts,
  options: AuthorizationServerRoomOptions,
): (kind: string) => Adapter {
  return (kind) => {
    if (kind === 'AccessToken') return new AccessTokenAdapter(parts);
    if (kind === 'Client') return new DocumentClients(parts, options);
    return new RecordAdapter(kind, parts);
  };
}

/**
 * Stores the library's records of one kind in the store of the sessions, sealed and with an expiry.
 * A grant is named after the session that it belongs to, so revoking a grant ends the session, and
 * every code and token of an ended session is refused.
 */
class RecordAdapter implements Adapter {
  constructor(
    private readonly kind: string,
    private readonly parts: AdapterParts,
  ) {}

  async upsert(id: string, payload: AdapterPayload, expiresIn = anonymousLifetime): Promise<void> {
    // The library's own session only carries a form token. The user's session is ours.
    if (this.kind === 'Session' && payload.accountId !== undefined) return;
    await translated(() => this.#upsert(id, payload, expiresIn));
  }

  async #upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void> {
    const { records } = this.parts;
    const stored = await records.read(this.kind, id);
    if (stored && this.kind === 'ReplayDetection')
      throw new errors.InvalidDpopProof('the DPoP proof was used before');
    if (stored) return this.#replace(id, stored, payload);
    if (anonymousKinds.has(this.kind)) await records.takeSlot(this.kind, id);
    const { userCode } = payload;
    if (userCode !== undefined) await records.create('UserCode', userCode, { id }, expiresIn);
    if (!(await records.create(this.kind, id, payload, expiresIn))) throw this.#conflict();
  }

  async #replace(
    id: string,
    stored: NonNullable<Awaited<ReturnType<LibraryRecords['read']>>>,
    payload: AdapterPayload,
  ): Promise<void> {
    if (!(await this.parts.records.replace(this.kind, id, stored, payload))) throw this.#conflict();
  }

  #conflict(): Error {
    return this.kind === 'ReplayDetection'
      ? new errors.InvalidDpopProof('the DPoP proof was used before')
      : new errors.TemporarilyUnavailable('another request changed this one; try again');
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const { records } = this.parts;
    return translated(async () => {
      const payload = (await records.read(this.kind, id))?.payload;
      if (payload && this.kind === 'DeviceCode') await refuseEarlyPoll(records, id);
      return payload;
    });
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    const { records, addressOf } = this.parts;
    return translated(() =>
      guessing(records, addressOf, async () => {
        const found = await records.read('UserCode', userCode);
        const id = found?.payload['id'];
        return typeof id === 'string' ? (await records.read(this.kind, id))?.payload : undefined;
      }),
    );
  }

  /** The library's sessions are never found by another name: none of them is signed in. */
  async findByUid(): Promise<undefined> {}

  /**
   * Marks a code or refresh token as used. A second use, also a concurrent one, ends the session:
   * one of the two may be a thief's (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
   */
  async consume(id: string): Promise<void> {
    await translated(async () => {
      const stored = await this.parts.records.read(this.kind, id);
      if (!stored) throw new errors.InvalidGrant('it has expired');
      const consumed = { ...stored.payload, consumed: Math.floor(this.parts.clock() / 1000) };
      const isFirst = stored.payload.consumed === undefined;
      if (isFirst && (await this.parts.records.replace(this.kind, id, stored, consumed))) return;
      if (stored.payload.grantId) await this.parts.sessions.end(stored.payload.grantId);
      throw new errors.InvalidGrant('it was used before');
    });
  }

  async destroy(id: string): Promise<void> {
    await translated(() => this.parts.records.remove(this.kind, id));
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await translated(() => this.parts.sessions.end(grantId));
  }
}

/** Access tokens are handles, which are sealed and not stored. */
class AccessTokenAdapter implements Adapter {
  constructor(private readonly parts: AdapterParts) {}

  async upsert(): Promise<void> {}

  async find(token: string): Promise<AdapterPayload | undefined> {
    const handle = this.parts.handles.read(token);
    return handle && payloadOf(token, handle);
  }

  async findByUserCode(): Promise<undefined> {}
  async findByUid(): Promise<undefined> {}
  async consume(): Promise<void> {}

  async destroy(token: string): Promise<void> {
    const handle = this.parts.handles.read(token);
    if (handle) await this.revokeByGrantId(handle.sessionId);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await translated(() => this.parts.sessions.end(grantId));
  }
}

function payloadOf(jti: string, handle: ClientHandle): AdapterPayload {
  const { sessionId, clientId, scopes, resource, expiresAt, keyThumbprint } = handle;
  return {
    jti,
    kind: 'AccessToken',
    accountId: sessionId,
    grantId: sessionId,
    clientId,
    scope: scopes.join(' '),
    exp: Math.floor(expiresAt / 1000),
    ...(resource !== undefined && { aud: resource }),
    ...(keyThumbprint !== undefined && { jkt: keyThumbprint }),
  };
}
