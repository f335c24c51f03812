import { createHash, timingSafeEqual } from 'node:crypto';
import { BffError } from '../errors.ts';
import type { ProviderRegistry } from '../oauth/provider-registry.ts';
import type { SessionGroup } from '../session/sessions/session-index.ts';
import { type SeenSession, sessionEntry } from '../session/sessions/session-entry.ts';
import type {
  SignedInSessionsService,
  Subject,
} from '../session/sessions/signed-in-sessions.service.ts';
import {
  type ManagementResponse,
  notAllowed,
  type ManagementRequest,
  jsonResponse,
} from './management-request.ts';

/** Called for every access, for the log. It receives the action and numbers, but no user. */
export type AccessListener = (
  access:
    | { readonly kind: 'listed' | 'ended'; readonly subjects: number; readonly sessions: number }
    | { readonly kind: 'refused' }
    | { readonly kind: 'failed'; readonly error: unknown },
) => void;

const methodsForAll: readonly string[] = ['GET', 'HEAD', 'DELETE'];
const methodsForOne: readonly string[] = ['DELETE'];

/**
 * Serves `/sessions` for the operator. The token allows listing and ending the sessions of all
 * users.
 */
export class SessionAdministration {
  readonly #tokenHash: Buffer | undefined;

  /** Without a token `/sessions` does not exist. */
  constructor(
    private readonly sessions: SignedInSessionsService,
    private readonly providers: ProviderRegistry,
    token: string | undefined,
    private readonly onAccess: AccessListener,
  ) {
    this.#tokenHash = token === undefined ? undefined : hashOf(token);
  }

  /**
   * Returns the response to a request below `/sessions`. Never rejects. Returns `undefined` for
   * other paths, or if no token is configured.
   */
  async respond({
    method,
    url,
    authorization,
  }: ManagementRequest): Promise<ManagementResponse | undefined> {
    const [path = '', query] = url.split(/\?(.*)/s, 2);
    const address = /^\/sessions(?:\/(?<id>[^/]+))?$/.exec(path);
    if (!this.#tokenHash || !address) return undefined;
    if (!this.#isAuthorized(authorization)) {
      this.onAccess({ kind: 'refused' });
      return { ...jsonResponse(401, 'unauthorized'), headers: { 'WWW-Authenticate': 'Bearer' } };
    }
    const id = address.groups?.['id'];
    try {
      if (id !== undefined) return await this.#respondForOne(method, id);
      return await this.#respondForAll(method, new URLSearchParams(query));
    } catch (error) {
      return this.#respondToFailure(error);
    }
  }

  async #respondForAll(method: string, query: URLSearchParams): Promise<ManagementResponse> {
    if (!methodsForAll.includes(method)) return notAllowed(methodsForAll);
    const [sub, ...others] = query.getAll('sub');
    if (!sub || others.length > 0) return jsonResponse(400, 'exactly one sub is needed');
    const subjects = this.#subjectsWith(sub);
    return method === 'DELETE' ? this.#endAll(subjects) : this.#list(subjects);
  }

  async #respondForOne(method: string, id: string): Promise<ManagementResponse> {
    if (!methodsForOne.includes(method)) return notAllowed(methodsForOne);
    const ended = await this.sessions.end(id);
    if (!ended) return jsonResponse(404, 'not found');
    this.onAccess({ kind: 'ended', subjects: 1, sessions: 1 });
    return { code: 204 };
  }

  async #list(subjects: readonly Subject[]): Promise<ManagementResponse> {
    const found: SeenSession[][] = [];
    for (const subject of subjects) found.push(await this.sessions.list(subject));
    const sessions = found
      .flat()
      .toSorted((one, other) => other.session.createdAt - one.session.createdAt);
    const kind = 'listed';
    this.onAccess({ kind, subjects: found.filter(isNotEmpty).length, sessions: sessions.length });
    return { code: 200, body: sessions.map(entryWithSub) };
  }

  async #endAll(subjects: readonly SessionGroup[]): Promise<ManagementResponse> {
    const ended: number[] = [];
    // Pending sign-ins are refused too, because an operator locks the account before ending
    // sessions.
    for (const subject of subjects) ended.push(await this.sessions.endGroup(subject, 'always'));
    const sessions = ended.reduce((sum, count) => sum + count, 0);
    this.onAccess({ kind: 'ended', subjects: ended.filter((count) => count > 0).length, sessions });
    return { code: 204 };
  }

  /** Returns the subjects with this `sub`, one per issuer. Each may be a different user. */
  #subjectsWith(sub: string): (SessionGroup & Subject)[] {
    const issuers = new Set(this.providers.all.map(({ options }) => options.issuer));
    return [...issuers].map((issuer) => {
      const clientIds = this.providers.clientIdsOf(issuer);
      return { issuer, clientIds, sub };
    });
  }

  /**
   * Compares hashes, which have equal lengths, in constant time, so that a token cannot be guessed
   * by timing.
   */
  #isAuthorized(authorization: string | undefined): boolean {
    const [, token] = /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '') ?? [];
    if (token === undefined || !this.#tokenHash) return false;
    return timingSafeEqual(hashOf(token), this.#tokenHash);
  }

  #respondToFailure(error: unknown): ManagementResponse {
    this.onAccess({ kind: 'failed', error });
    if (!(error instanceof BffError)) return jsonResponse(500, 'internal error');
    return { ...jsonResponse(error.status, 'unavailable'), headers: error.headers };
  }
}

function entryWithSub(seen: SeenSession) {
  return { ...sessionEntry(seen), sub: seen.session.sub };
}

function isNotEmpty(list: readonly unknown[]): boolean {
  return list.length > 0;
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
