import assert from 'node:assert/strict';
import { isRefusal, type Model, type ModelSession } from './model.ts';
import type { ReplicaResponse, ReplicaRequest } from './external-services.ts';
import type { SystemUnderTest } from './environment.ts';
import { waitFor } from '../time/wait-for.ts';

/** Sends a request to one of the replicas. Throws when the response has a 5xx status. */
export async function sendTo(
  { replicas }: SystemUnderTest,
  number: number,
  request: ReplicaRequest,
): Promise<ReplicaResponse> {
  const replica = replicas[number] ?? assert.fail(`There is no replica ${number}.`);
  const response = await replica.send(request);
  assert(response.status < 500, `${request.path} got ${response.status} ${response.body}`);
  return response;
}

/** Compares the state of the replicas, Redis and the authorization server with a run's model. */
export class Inspection {
  readonly #system: SystemUnderTest;
  readonly #model: Model;
  #checks = 0;

  constructor(system: SystemUnderTest, model: Model) {
    this.#system = system;
    this.#model = model;
  }

  /**
   * Checks after every group that live sessions are served, that ended sessions are refused, and
   * that nothing else is left.
   */
  async check(isLast: boolean): Promise<void> {
    const { redis, services, replicas } = this.#system;
    const kept = await redis.look();
    for (const session of this.#model.sessions) {
      if (session.state !== 'may have ended') continue;
      if (kept.sessions.includes(session.id)) session.state = 'lives';
      else this.#model.end(session);
    }
    const all = replicas.map((_, replica) => replica);
    await Promise.all(
      this.#model.sessions.map(async (session) => {
        this.#checks += 1;
        const some = [this.#checks % replicas.length];
        const isFirstTime = session.state === 'ended' && session.refusedAt.size === 0;
        const chosen = isLast || isFirstTime ? all : some;
        const check = (replica: number) =>
          session.state === 'lives'
            ? this.#mustBeServed(session, replica, isLast)
            : this.#mustBeRefused(session, replica);
        await Promise.all(chosen.map(check));
      }),
    );
    await waitFor(() => this.#mustBeTidy(), { timeout: 2_000 });
    assert.deepEqual(services.server.violations, []);
  }

  async #mustBeServed(
    session: ModelSession,
    replica: number,
    withNewToken: boolean,
  ): Promise<void> {
    const { name, cookie, sub, id } = session;
    const { status, body } = await sendTo(this.#system, replica, { path: '/bff/user', cookie });
    assert.equal(status, 200, `${name} is not known at replica ${replica}: ${body}`);
    const user = JSON.parse(body) as { sub: string; session: { id: string } };
    assert.deepEqual([user.sub, user.session.id], [sub, id], `${name} is another's`);
    if (!withNewToken) return;
    this.#checks += 1;
    // Only the first refusal within 30 seconds gets another token.
    const refuse = session.hadTokenRefused ? '' : `&refuse=check-${this.#checks}`;
    session.hadTokenRefused = true;
    const path = `/api/x?as=${sub}${refuse}`;
    const call = await sendTo(this.#system, replica, { path, cookie });
    assert.equal(call.status, 200, `${name} cannot call at replica ${replica}: ${call.body}`);
  }

  async #mustBeRefused(session: ModelSession, replica: number): Promise<void> {
    for (;;) {
      const isTooLate = this.#model.hasEndedFor(session, replica);
      const path = `/api/x?as=${session.sub}`;
      const response = await sendTo(this.#system, replica, { path, cookie: session.cookie });
      if (isRefusal(response)) break;
      const what = `replica ${replica} still answers ${response.status}`;
      assert(!isTooLate, `${session.name} has ended, but ${what}`);
    }
    session.refusedAt.add(replica);
    const response = await sendTo(this.#system, replica, {
      path: '/bff/user',
      cookie: session.cookie,
    });
    assert(
      isRefusal(response),
      `${session.name} has ended, but its user is told: ${response.body}`,
    );
  }

  /**
   * Redis keeps records of live sessions alone, and the refresh tokens of ended sessions are
   * revoked.
   */
  async #mustBeTidy(): Promise<void> {
    const { sessions, listed, locks } = await this.#system.redis.look();
    const living = this.#model.living.map(({ id }) => id);
    assert.deepEqual(this.#model.named(sessions), this.#model.named(living), 'sessions in Redis');
    // By sub and by sid.
    const expected = [...living, ...living];
    assert.deepEqual(
      this.#model.named(listed),
      this.#model.named(expected),
      'sessions in the index',
    );
    assert.deepEqual(locks, [], 'locks');
    for (const session of this.#model.revoked) {
      if (session.state !== 'ended' || this.#model.replaced.has(session)) continue;
      assert(session.grant.isRevoked, `${session.name} has ended, but its refresh token is good`);
    }
  }
}
