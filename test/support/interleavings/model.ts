import assert from 'node:assert/strict';
import type { ReplicaResponse } from './external-services.ts';
import type { Grant } from '../authorization-server/scripted-authorization-server.ts';

/** How long a replica that has not been notified may serve an ended session, in milliseconds. */
const longestLate = 100;

/** A span of time in ticks: from before the first request to after the last response. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A session in the model: it lives, it has ended, or it may have ended just now. */
export interface ModelSession {
  readonly id: string;
  readonly name: string;
  readonly cookie: string;
  readonly sub: string;
  readonly grant: Grant;
  /** The request that made it. */
  readonly born: Span;
  state: 'lives' | 'may have ended' | 'ended';
  endedAt: number;
  readonly refusedAt: Set<number>;
  /** The API has refused one of its tokens: for 30 seconds it gets no other for another refusal. */
  hadTokenRefused: boolean;
}

/** A response to a session's cookie. It is verified when the rest of its group is known. */
export interface Observation {
  readonly what: string;
  readonly session: ModelSession | undefined;
  readonly response: ReplicaResponse;
  /** The request was sent when the session had ended for certain. */
  readonly isTooLate: boolean;
}

/**
 * An action that ends sessions. Sessions known when it began must end; sessions that began
 * meanwhile may end.
 */
export interface Ending {
  readonly span: Span;
  readonly concerns: (session: { readonly sub: string; readonly grant: Grant }) => boolean;
  /** Since when a sign-in is known to what ends sessions. */
  readonly knownSince: (session: ModelSession) => number;
}

/** A sign-in that was refused. */
export interface Refusal {
  readonly what: string;
  readonly sub: string;
  readonly grant: Grant;
  readonly span: Span;
}

/** The expected state of the sessions of a run. */
export class Model {
  /** By browser. */
  readonly current = new Map<number, ModelSession>();
  readonly sessions: ModelSession[] = [];
  /** Sessions whose end leaves no good token behind. */
  readonly revoked = new Set<ModelSession>();
  readonly replaced = new Set<ModelSession>();
  readonly #observations: Observation[] = [];
  readonly #endings: Ending[] = [];
  readonly #refusals: Refusal[] = [];

  /** Records a response, which `conclude` verifies. */
  observe(observation: Observation): void {
    this.#observations.push(observation);
  }

  /** Records a refused sign-in, which `conclude` verifies. */
  refuse(refusal: Refusal): void {
    this.#refusals.push(refusal);
  }

  /** Records an action that ends sessions, which `conclude` applies. */
  endAll(ending: Ending): void {
    this.#endings.push(ending);
  }

  /** Marks a session as ended from now on. */
  end(session: ModelSession): void {
    if (session.state === 'ended') return;
    session.state = 'ended';
    session.endedAt = performance.now();
  }

  /**
   * Marks a session as ended because another replaces it in its browser. The provider is not
   * notified.
   */
  replace(session: ModelSession): void {
    this.end(session);
    this.replaced.add(session);
  }

  /** Whether a replica may not serve it any more. */
  hasEndedFor({ state, endedAt, refusedAt }: ModelSession, replica: number): boolean {
    if (state !== 'ended') return false;
    return refusedAt.has(replica) || performance.now() - endedAt > longestLate;
  }

  get living(): readonly ModelSession[] {
    return this.sessions.filter(({ state }) => state === 'lives');
  }

  /** Applies what a group has done to sessions, and checks that its responses agree with it. */
  conclude(): void {
    const before = this.living;
    for (const { span, concerns, knownSince } of this.#endings) {
      for (const session of before.filter(concerns)) {
        if (session.born.from > span.to) continue;
        if (knownSince(session) < span.from) this.end(session);
        else if (session.state === 'lives') session.state = 'may have ended';
        this.revoked.add(session);
      }
    }
    for (const { what, sub, grant, span } of this.#refusals) {
      const isDue = this.#endings.some(
        (ending) => ending.concerns({ sub, grant }) && ending.span.to > span.from,
      );
      assert(isDue, `${what}: refused, although nobody was logged out meanwhile`);
    }
    for (const observation of this.#observations) verify(observation);
    for (const done of [this.#endings, this.#refusals, this.#observations]) done.length = 0;
  }

  /** Replaces session ids by readable names, in order. */
  named(ids: readonly string[]): string[] {
    const names = new Map(
      this.sessions.map(({ id, name, state }) => [id, `${name}, which ${state}`]),
    );
    return ids.map((id) => names.get(id) ?? `a session nobody has (${id})`).toSorted();
  }
}

function verify({ what, session, response, isTooLate }: Observation): void {
  const { status, body } = response;
  // A second refusal by the API within 30 seconds is passed on.
  const isPassedOn = status === 401 && body.includes('"from":"api"');
  const isServed =
    status === 200 || status === 204 || (isPassedOn && session?.hadTokenRefused === true);
  if (!session || isTooLate) {
    return assert(isRefusal(response), `${what}: signed out, but responded with ${status} ${body}`);
  }
  if (session.state === 'lives') {
    assert(isServed, `${what}: ${session.name} lives, but got ${status} ${body}`);
  }
  assert(isServed || status === 401, `${what}: responded with ${status} ${body}`);
  if (status === 200) {
    const { sub } = JSON.parse(body) as { sub: string };
    assert.equal(sub, session.sub, `${what}: got what belongs to ${sub}`);
  }
}

/** Whether the BFF itself refused the request, not the API behind it. */
export function isRefusal({ status, body }: ReplicaResponse): boolean {
  return status === 401 && body.includes('"not_signed_in"');
}
