import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, describeCommand, type RunPlan } from './commands.ts';
import { sendTo, Inspection } from './inspection.ts';
import { Model, type ModelSession } from './model.ts';
import type { ReplicaResponse, ReplicaRequest } from './external-services.ts';
import type { SystemUnderTest } from './environment.ts';
import { waitFor } from '../time/wait-for.ts';

/**
 * One run: executes its commands, group by group, and compares the replicas' behaviour with the
 * model.
 */
export class Interleaving {
  readonly #system: SystemUnderTest;
  readonly #plan: RunPlan;
  readonly #name: string;
  readonly #model = new Model();
  readonly #inspection: Inspection;
  #calls = 0;

  constructor(system: SystemUnderTest, plan: RunPlan, name: string) {
    this.#system = system;
    this.#plan = plan;
    this.#name = name;
    this.#inspection = new Inspection(system, this.#model);
  }

  /** Throws when the behaviour differs from the model. */
  async run(): Promise<void> {
    const { services, redis } = this.#system;
    const { groups, pace, expired } = this.#plan;
    await redis.wipe();
    services.begin(pace, expired);
    for (const [number, group] of groups.entries()) {
      await Promise.all(group.map((command) => this.#perform(command)));
      this.#model.conclude();
      await this.#inspection.check(number === groups.length - 1);
    }
    await waitFor(() => services.server.underWay === 0);
  }

  async #perform(command: Command): Promise<void> {
    await delay(command.after);
    const what = describeCommand(command);
    switch (command.do) {
      case 'sign in':
        return this.#signIn(command, what);
      case 'call':
        return this.#call(command, what);
      case 'sign out':
        return this.#signOut(command, what);
      case 'end the others':
        return this.#endOthers(command, what);
      case 'log out by sub': {
        const sub = this.#sub(command.user);
        return this.#logOut(command, { sub }, what);
      }
      case 'log out by sid': {
        const sid = this.#sid(command.browser, command.user);
        return this.#logOut(command, { sid }, what);
      }
    }
  }

  async #signIn(command: Extract<Command, { do: 'sign in' }>, what: string): Promise<void> {
    const { services } = this.#system;
    const sub = this.#sub(command.user);
    const shown = new Set([this.#model.current.get(command.browser)]);
    const begun = await sendTo(this.#system, command.replica, {
      path: '/bff/login',
      cookie: this.#model.current.get(command.browser)?.cookie,
    });
    assert.equal(begun.status, 302, `${what}: the login got ${begun.status}`);
    const sid = this.#sid(command.browser, command.user);
    const { callback, grant } = services.server.authorize(new URL(begun.location ?? ''), sub, sid);
    const from = services.tick();
    const before = this.#model.current.get(command.browser);
    shown.add(before);
    const path = callback.pathname + callback.search;
    const cookie = [...begun.cookies, ...(before ? [before.cookie] : [])].join('; ');
    const { status, cookies, body } = await sendTo(this.#system, command.callbackAt, {
      path,
      cookie,
    });
    const span = { from, to: services.tick() };
    if (status !== 302) {
      assert.match(body, /"login_expired"/, `${what}: the callback got ${status} ${body}`);
      this.#model.refuse({ what, sub, grant, span });
      return;
    }
    const sessionCookie = cookies.find((each) => each.startsWith('bff='));
    assert(sessionCookie, `${what}: no session cookie`);
    const session: ModelSession = {
      id: idOf(sessionCookie),
      name: `the session of "${what}"`,
      cookie: sessionCookie,
      sub,
      grant,
      born: span,
      state: 'lives',
      endedAt: 0,
      refusedAt: new Set(),
      hadTokenRefused: false,
    };
    this.#model.sessions.push(session);
    this.#model.current.set(command.browser, session);
    for (const old of shown) if (old) this.#model.replace(old);
  }

  async #call(command: Extract<Command, { do: 'call' }>, what: string): Promise<void> {
    const session = this.#model.current.get(command.browser);
    this.#calls += 1;
    const isRefused = command.manner === 'refused';
    if (isRefused && session) session.hadTokenRefused = true;
    const refuse = isRefused ? `&refuse=${this.#calls}` : '';
    const path = `/api/x?as=${session?.sub}${refuse}`;
    const abort = new AbortController();
    if (command.manner === 'hung up') void delay(2 + command.after).then(() => abort.abort());
    try {
      const request = { path, cookie: session?.cookie, signal: abort.signal };
      await this.#observe(what, command.replica, session, request);
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
  }

  async #signOut(command: Extract<Command, { do: 'sign out' }>, what: string): Promise<void> {
    const session = this.#model.current.get(command.browser);
    if (!session) return;
    const request = { method: 'POST', path: '/bff/logout', cookie: session.cookie } as const;
    const { status } = await sendTo(this.#system, command.replica, request);
    assert.equal(status, 200, `${what}: responded with ${status}`);
    this.#model.end(session);
    this.#model.revoked.add(session);
    if (this.#model.current.get(command.browser) === session)
      this.#model.current.delete(command.browser);
  }

  async #endOthers(
    command: Extract<Command, { do: 'end the others' }>,
    what: string,
  ): Promise<void> {
    const session = this.#model.current.get(command.browser);
    const from = this.#system.services.tick();
    const request = { method: 'DELETE', path: '/bff/sessions', cookie: session?.cookie } as const;
    const { status } = await this.#observe(what, command.replica, session, request);
    if (status !== 204 || !session) return;
    this.#model.endAll({
      span: { from, to: this.#system.services.tick() },
      concerns: ({ sub, grant }) => sub === session.sub && grant !== session.grant,
      knownSince: ({ born }) => born.to,
    });
  }

  async #logOut(
    { replica }: Command,
    names: { readonly sub: string } | { readonly sid: string },
    what: string,
  ): Promise<void> {
    const { services } = this.#system;
    const token = await services.server.logoutToken(names);
    const from = services.tick();
    const form = new URLSearchParams({ logout_token: token });
    const { status } = await sendTo(this.#system, replica, {
      method: 'POST',
      path: '/bff/backchannel',
      form,
    });
    assert.equal(status, 200, `${what}: responded with ${status}`);
    this.#model.endAll({
      span: { from, to: services.tick() },
      concerns: ({ sub, grant }) => ('sub' in names ? names.sub === sub : names.sid === grant.sid),
      // Whose code was redeemed before is ended too, although there was no session yet.
      knownSince: ({ grant }) => grant.redeemedAt ?? Infinity,
    });
  }

  async #observe(
    what: string,
    replica: number,
    session: ModelSession | undefined,
    request: ReplicaRequest,
  ): Promise<ReplicaResponse> {
    const isTooLate = session !== undefined && this.#model.hasEndedFor(session, replica);
    const response = await sendTo(this.#system, replica, request);
    this.#model.observe({ what, session, response, isTooLate });
    return response;
  }

  #sub(user: number): string {
    return `${this.#name}-user-${user}`;
  }

  /** The provider has one session for a user in a browser. */
  #sid(browser: number, user: number): string {
    return `${this.#name}-browser-${browser}-user-${user}`;
  }
}

/** The public id of a session, a hash of what its cookie holds. */
function idOf(cookie: string): string {
  const value = decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1));
  const secret = value.slice('s:'.length, value.lastIndexOf('.'));
  return createHash('sha256').update(secret).digest('base64url');
}
