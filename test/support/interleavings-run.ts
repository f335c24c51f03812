import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, describeCommand, type Play } from './interleavings-commands.ts';
import type { Answer, Question, RedisView, Replica, World } from './interleavings-stage.ts';
import type { Grant } from './scripted-authorization-server.ts';
import { waitFor } from './wait-for.ts';

/** Where runs take place, one after the other. */
export interface Stage {
  readonly replicas: readonly Replica[];
  readonly world: World;
  readonly redis: RedisView;
}

/** An ended session may be served for so long by a replica that has not heard of its end, in milliseconds, and never again. */
const longestLate = 100;

/** A stretch of time in ticks: from before the first request to after the last answer. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** What the model knows of a session: that it lives, that it has ended, or that it may have ended just now. */
interface ModelSession {
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
}

/** An answer to a session's cookie, to be judged when it is known what else happened meanwhile. */
interface Observation {
  readonly what: string;
  readonly session: ModelSession | undefined;
  readonly answer: Answer;
  /** It was asked when the session had ended for good. */
  readonly isTooLate: boolean;
}

/** What ends sessions, and which: those known when it began must end, those that came meanwhile may. */
interface Ending {
  readonly span: Span;
  readonly concerns: (session: { readonly sub: string; readonly grant: Grant }) => boolean;
  /** Since when a sign-in is known to what ends sessions. */
  readonly knownSince: (session: ModelSession) => number;
}

/** A sign-in that was refused. */
interface Refusal {
  readonly what: string;
  readonly sub: string;
  readonly grant: Grant;
  readonly span: Span;
}

/** One run: plays its commands, group by group, and compares what the replicas do with what must be true. */
export class Interleaving {
  readonly #stage: Stage;
  readonly #play: Play;
  readonly #name: string;
  /** By browser. */
  readonly #current = new Map<number, ModelSession>();
  readonly #sessions: ModelSession[] = [];
  #observations: Observation[] = [];
  #endings: Ending[] = [];
  #refusals: Refusal[] = [];
  /** Sessions whose end leaves no good token behind. */
  #revoked = new Set<ModelSession>();
  #replaced = new Set<ModelSession>();
  #calls = 0;
  #checks = 0;

  constructor(stage: Stage, play: Play, name: string) {
    this.#stage = stage;
    this.#play = play;
    this.#name = name;
  }

  /** Throws when something is not as it must be. */
  async play(): Promise<void> {
    const { world, redis } = this.#stage;
    const { groups, pace, expired } = this.#play;
    await redis.wipe();
    world.begin(pace, expired);
    for (const [number, group] of groups.entries()) {
      await Promise.all(group.map((command) => this.#perform(command)));
      this.#conclude();
      await this.#check(number === groups.length - 1);
    }
    await waitFor(() => world.server.underWay === 0);
  }

  // What happens

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
    const { world } = this.#stage;
    const sub = this.#sub(command.user);
    const shown = new Set([this.#current.get(command.browser)]);
    const begun = await this.#ask(command.replica, {
      path: '/bff/login',
      cookie: this.#current.get(command.browser)?.cookie,
    });
    assert.equal(begun.status, 302, `${what}: the login was answered ${begun.status}`);
    const sid = this.#sid(command.browser, command.user);
    const { callback, grant } = world.server.authorize(new URL(begun.location ?? ''), sub, sid);
    const from = world.tick();
    const before = this.#current.get(command.browser);
    shown.add(before);
    const path = callback.pathname + callback.search;
    const cookie = [...begun.cookies, ...(before ? [before.cookie] : [])].join('; ');
    const { status, cookies, body } = await this.#ask(command.callbackAt, { path, cookie });
    const span = { from, to: world.tick() };
    if (status !== 302) {
      assert.match(body, /"login_expired"/, `${what}: the callback was answered ${status} ${body}`);
      this.#refusals.push({ what, sub, grant, span });
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
    };
    this.#sessions.push(session);
    this.#current.set(command.browser, session);
    for (const old of shown) if (old) this.#replace(old);
  }

  async #call(command: Extract<Command, { do: 'call' }>, what: string): Promise<void> {
    const session = this.#current.get(command.browser);
    this.#calls += 1;
    const refuse = command.manner === 'refused' ? `&refuse=${this.#calls}` : '';
    const path = `/api/x?as=${session?.sub}${refuse}`;
    const abort = new AbortController();
    if (command.manner === 'hung up') void delay(2 + command.after).then(() => abort.abort());
    try {
      const question = { path, cookie: session?.cookie, signal: abort.signal };
      await this.#observe(what, command.replica, session, question);
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
  }

  async #signOut(command: Extract<Command, { do: 'sign out' }>, what: string): Promise<void> {
    const session = this.#current.get(command.browser);
    if (!session) return;
    const question = { method: 'POST', path: '/bff/logout', cookie: session.cookie } as const;
    const { status } = await this.#ask(command.replica, question);
    assert.equal(status, 200, `${what}: answered ${status}`);
    this.#end(session);
    this.#revoked.add(session);
    if (this.#current.get(command.browser) === session) this.#current.delete(command.browser);
  }

  async #endOthers(
    command: Extract<Command, { do: 'end the others' }>,
    what: string,
  ): Promise<void> {
    const session = this.#current.get(command.browser);
    const from = this.#stage.world.tick();
    const question = { method: 'DELETE', path: '/bff/sessions', cookie: session?.cookie } as const;
    const { status } = await this.#observe(what, command.replica, session, question);
    if (status !== 204 || !session) return;
    this.#endings.push({
      span: { from, to: this.#stage.world.tick() },
      concerns: ({ sub, grant }) => sub === session.sub && grant !== session.grant,
      knownSince: ({ born }) => born.to,
    });
  }

  async #logOut(
    { replica }: Command,
    names: { readonly sub: string } | { readonly sid: string },
    what: string,
  ): Promise<void> {
    const { world } = this.#stage;
    const token = await world.server.logoutToken(names);
    const from = world.tick();
    const form = new URLSearchParams({ logout_token: token });
    const { status } = await this.#ask(replica, { method: 'POST', path: '/bff/backchannel', form });
    assert.equal(status, 200, `${what}: answered ${status}`);
    this.#endings.push({
      span: { from, to: world.tick() },
      concerns: ({ sub, grant }) => ('sub' in names ? names.sub === sub : names.sid === grant.sid),
      // Whose code was redeemed before is ended too, although there was no session yet.
      knownSince: ({ grant }) => grant.redeemedAt ?? Infinity,
    });
  }

  async #observe(
    what: string,
    replica: number,
    session: ModelSession | undefined,
    question: Question,
  ): Promise<Answer> {
    const isTooLate = session !== undefined && this.#hasEndedFor(session, replica);
    const answer = await this.#ask(replica, question);
    this.#observations.push({ what, session, answer, isTooLate });
    return answer;
  }

  async #ask(replica: number, question: Question): Promise<Answer> {
    const answer = await this.#replica(replica).ask(question);
    assert(answer.status < 500, `${question.path} was answered ${answer.status} ${answer.body}`);
    return answer;
  }

  // What must be true of it

  /** What a group has done to sessions, and whether its answers agree with that. */
  #conclude(): void {
    const before = this.#sessions.filter(({ state }) => state === 'lives');
    for (const { span, concerns, knownSince } of this.#endings) {
      for (const session of before.filter(concerns)) {
        if (session.born.from > span.to) continue;
        if (knownSince(session) < span.from) this.#end(session);
        else if (session.state === 'lives') session.state = 'may have ended';
        this.#revoked.add(session);
      }
    }
    for (const { what, sub, grant, span } of this.#refusals) {
      const isDue = this.#endings.some(
        (ending) => ending.concerns({ sub, grant }) && ending.span.to > span.from,
      );
      assert(isDue, `${what}: refused, although nobody was logged out meanwhile`);
    }
    for (const observation of this.#observations) judge(observation);
    this.#endings = [];
    this.#refusals = [];
    this.#observations = [];
  }

  /** After every group: who lives is served, who has ended is not, and nothing else is left anywhere. */
  async #check(isLast: boolean): Promise<void> {
    const { redis, world, replicas } = this.#stage;
    const kept = await redis.look();
    for (const session of this.#sessions) {
      if (session.state !== 'may have ended') continue;
      if (kept.sessions.includes(session.id)) session.state = 'lives';
      else this.#end(session);
    }
    const all = replicas.map((_, replica) => replica);
    await Promise.all(
      this.#sessions.map(async (session) => {
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
    assert.deepEqual(world.server.complaints, []);
  }

  async #mustBeServed(
    session: ModelSession,
    replica: number,
    withNewToken: boolean,
  ): Promise<void> {
    const { name, cookie, sub, id } = session;
    const { status, body } = await this.#ask(replica, { path: '/bff/user', cookie });
    assert.equal(status, 200, `${name} is not known at replica ${replica}: ${body}`);
    const user = JSON.parse(body) as { sub: string; session: { id: string } };
    assert.deepEqual([user.sub, user.session.id], [sub, id], `${name} is another's`);
    if (!withNewToken) return;
    this.#calls += 1;
    const path = `/api/x?as=${sub}&refuse=${this.#calls}`;
    const call = await this.#ask(replica, { path, cookie });
    assert.equal(call.status, 200, `${name} cannot call at replica ${replica}: ${call.body}`);
  }

  async #mustBeRefused(session: ModelSession, replica: number): Promise<void> {
    for (;;) {
      const isTooLate = this.#hasEndedFor(session, replica);
      const path = `/api/x?as=${session.sub}`;
      const answer = await this.#ask(replica, { path, cookie: session.cookie });
      if (isRefusal(answer)) break;
      const what = `replica ${replica} still answers ${answer.status}`;
      assert(!isTooLate, `${session.name} has ended, but ${what}`);
    }
    session.refusedAt.add(replica);
    const answer = await this.#ask(replica, { path: '/bff/user', cookie: session.cookie });
    assert(isRefusal(answer), `${session.name} has ended, but its user is told: ${answer.body}`);
  }

  /** What Redis keeps is of living sessions, and what the authorization server gave to ended ones is worth nothing. */
  async #mustBeTidy(): Promise<void> {
    const { sessions, listed, locks } = await this.#stage.redis.look();
    const living = this.#sessions.filter(({ state }) => state === 'lives').map(({ id }) => id);
    assert.deepEqual(this.#named(sessions), this.#named(living), 'sessions in Redis');
    // By sub and by sid.
    const expected = [...living, ...living];
    assert.deepEqual(this.#named(listed), this.#named(expected), 'sessions in the index');
    assert.deepEqual(locks, [], 'locks');
    for (const session of this.#revoked) {
      if (session.state !== 'ended' || this.#replaced.has(session)) continue;
      assert(session.grant.isRevoked, `${session.name} has ended, but its refresh token is good`);
    }
  }

  #named(ids: readonly string[]): string[] {
    const names = new Map(
      this.#sessions.map(({ id, name, state }) => [id, `${name}, which ${state}`]),
    );
    return ids.map((id) => names.get(id) ?? `a session nobody has (${id})`).toSorted();
  }

  #hasEndedFor({ state, endedAt, refusedAt }: ModelSession, replica: number): boolean {
    if (state !== 'ended') return false;
    return refusedAt.has(replica) || performance.now() - endedAt > longestLate;
  }

  #end(session: ModelSession): void {
    if (session.state === 'ended') return;
    session.state = 'ended';
    session.endedAt = performance.now();
  }

  #replace(session: ModelSession): void {
    this.#end(session);
    this.#replaced.add(session);
  }

  #sub(user: number): string {
    return `${this.#name}-user-${user}`;
  }

  /** The provider has one session for a user in a browser. */
  #sid(browser: number, user: number): string {
    return `${this.#name}-browser-${browser}-user-${user}`;
  }

  #replica(number: number): Replica {
    return this.#stage.replicas[number] ?? assert.fail(`There is no replica ${number}.`);
  }
}

function judge({ what, session, answer, isTooLate }: Observation): void {
  const { status, body } = answer;
  const isServed = status === 200 || status === 204;
  if (!session || isTooLate) {
    return assert(isRefusal(answer), `${what}: signed out, but answered ${status} ${body}`);
  }
  if (session.state === 'lives') {
    assert(isServed, `${what}: ${session.name} lives, but is answered ${status} ${body}`);
  }
  assert(isServed || status === 401, `${what}: answered ${status} ${body}`);
  if (status === 200) {
    const { sub } = JSON.parse(body) as { sub: string };
    assert.equal(sub, session.sub, `${what}: got what belongs to ${sub}`);
  }
}

/** Said by the BFF itself, not by the API behind it. */
function isRefusal({ status, body }: Answer): boolean {
  return status === 401 && body.includes('"not_signed_in"');
}

/** The public id of a session, a hash of what its cookie holds. */
function idOf(cookie: string): string {
  const value = decodeURIComponent(cookie.slice(cookie.indexOf('=') + 1));
  const secret = value.slice('s:'.length, value.lastIndexOf('.'));
  return createHash('sha256').update(secret).digest('base64url');
}
