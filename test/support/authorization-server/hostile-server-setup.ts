import { startBff, type BffOverrides, type TestBff } from '../bff/bff.ts';
import type { TestBrowser, Page } from '../browser/browser.ts';
import { testClock, type TestClock } from '../time/clock.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import type { Transform } from './oidc-endpoints.ts';
import type { RecordedRequest } from '../upstream/recorder.ts';

/** The outcome of a sign-in: it succeeds, or the browser gets this status and error code. */
export type Outcome = 'signed in' | readonly [status: number, code: string | undefined];

/** The result of a row: what the browser got, and every rule that was broken, in words. */
export interface SignInResult {
  readonly outcome: Outcome;
  readonly violations: readonly string[];
}

/** The expected result: this outcome and no broken rule. */
export const withoutViolations = (outcome: Outcome): SignInResult => ({ outcome, violations: [] });

type Violations = readonly (string | false)[];

/** Brings a misbehaviour about: overrides endpoints, changes tokens or the way back. */
export type Arrange = (setup: HostileServerSetup) => unknown;

/** Combines arrangements, which run one after the other. */
export const inOrder =
  (...arrangements: readonly Arrange[]): Arrange =>
  async (setup) => {
    for (const arrange of arrangements) await arrange(setup);
  };

/**
 * One misbehaviour of an authorization server: which kind of attack it is (by its number), in
 * words, how, and its outcome.
 */
export type Misbehaviour = readonly [id: string, what: string, arrange: Arrange, outcome: Outcome];

export const failed: Outcome = [502, 'login_failed'];
export const unavailable: Outcome = [503, 'provider_unavailable'];
export const refused: Outcome = [400, 'invalid_request'];
export const expired: Outcome = [400, 'login_expired'];
export const denied: Outcome = [403, 'login_denied'];

/**
 * The longest time a response may take, in milliseconds: the provider's timeout, with time to spare
 * for a busy machine.
 */
const maxMilliseconds = 2500;

/** The largest size of a response or a log line, in characters, whatever the provider sends. */
const maxCharacters = 16 * 1024;

/** Every hostile text has this word in it somewhere; nothing of ours may. */
export const canary = 'canary';

/**
 * A BFF with an authorization server that misbehaves, one table row after another. A row that does
 * not sign the user in leaves nothing behind: no cookie, no record in Redis, no secret in the log,
 * no unhandled rejection.
 */
export class HostileServerSetup {
  readonly bff: TestBff;
  readonly clock: TestClock;
  /** Changes the token response. */
  tokens: Transform = (json) => json;
  /** Changes the address at which the browser comes back. */
  callback: (address: URL) => URL | Promise<URL> = (address) => address;
  /** The browser that signs in and comes back. */
  visitor: TestBrowser;
  /** Parameters of the login endpoint. */
  parameters: Record<string, string> = {};
  /** The page on which the last row ended. */
  page: Page | undefined;
  /** Whether the response is refused before its state is spent. */
  leavesPendingLogin = false;
  readonly #rejections: unknown[] = [];
  readonly #note = (reason: unknown) => void this.#rejections.push(reason);
  #secrets = new Set<string>();
  #logged = 0;

  private constructor(bff: TestBff, clock: TestClock) {
    this.bff = bff;
    this.clock = clock;
    this.visitor = this.browser();
    process.on('unhandledRejection', this.#note);
  }

  /** Starts one whose provider is given up after 900 milliseconds or 40 kilobytes. */
  static async start({ provider, ...others }: BffOverrides = {}): Promise<HostileServerSetup> {
    const clock = testClock();
    const limits = { timeout: '900ms', maxResponse: '40kb', ...provider };
    const setup = new HostileServerSetup(
      await startBff({ clock: clock.now, provider: limits, ...others }),
      clock,
    );
    await setup.reset();
    return setup;
  }

  get server(): AuthorizationServer {
    return this.bff.authorizationServer;
  }

  /** A browser by the real time, which the authorization server's cookies are by. */
  browser(): TestBrowser {
    return this.bff.browser({ now: Date.now });
  }

  /** Restores correct behaviour everywhere and forgets what earlier rows left. */
  async reset(): Promise<void> {
    const { bff, server } = this;
    server.behave();
    server.interaction = 'sign-in';
    server.requests.length = 0;
    bff.upstream.requests.length = 0;
    await bff.redis.clear();
    this.tokens = (json) => json;
    this.callback = (address) => address;
    this.visitor = this.browser();
    this.parameters = {};
    this.leavesPendingLogin = false;
    this.#logged = bff.logs.text.length;
    this.#secrets = new Set([canary, server.clientSecret]);
    server.transform('token', async (json, status) => {
      this.#keepSecrets(json);
      const changed = await this.tokens(json, status);
      if (typeof changed === 'object' && changed) this.#keepSecrets(changed);
      return changed;
    });
  }

  /** Restarts the BFF, so that it knows nothing of its provider. */
  async restart(): Promise<void> {
    await this.bff.stop();
    await this.bff.start();
    this.#logged = this.bff.logs.text.length;
  }

  /** Runs one row. The result is what the browser got and every rule that was broken. */
  async run(arrange: Arrange = () => undefined): Promise<SignInResult> {
    await arrange(this);
    const began = performance.now();
    this.page = await this.signIn();
    const took = performance.now() - began;
    const isSignedIn = this.page.status === 302 && this.page.headers.get('location') === '/';
    const outcome = isSignedIn ? 'signed in' : ([this.page.status, errorCode(this.page)] as const);
    const violations = [
      took > maxMilliseconds && `it took ${Math.round(took)} ms`,
      ...(isSignedIn ? await this.#wrongWithSession() : await this.#wrongWithRefusal(this.page)),
      ...this.leaks(),
    ];
    return { outcome, violations: violations.filter((violation) => violation !== false) };
  }

  /**
   * Signs in up to the callback's response, or up to the page on which the sign-in ends before.
   */
  async signIn(): Promise<Page> {
    const { bff } = this;
    const browser = this.visitor;
    const query = new URLSearchParams(this.parameters);
    let page = await browser.navigate(`${bff.url}/bff/login?${query}`, { redirect: 'manual' });
    for (;;) {
      const location = page.headers.get('location');
      if (!location) return page;
      const next = new URL(location, page.url);
      if (next.href.startsWith(`${bff.url}/bff/callback`)) return this.#comeBack(next);
      page = await browser.navigate(next.href, { redirect: 'manual' });
    }
  }

  /** Secrets and malformed lines in the log since the last reset, and unhandled rejections. */
  leaks(): string[] {
    for (const request of this.server.requests) this.#keepSecretsOf(request);
    const log = this.bff.logs.text.slice(this.#logged);
    const lines = log.split('\n').filter(Boolean);
    return [
      ...[...this.#secrets]
        .filter((secret) => log.includes(secret))
        .map((secret) => `the log has ${secret}`),
      ...lines.filter((line) => !isLine(line)).map((line) => `no line of the log: ${line}`),
      ...lines
        .filter((line) => line.length > maxCharacters)
        .map((line) => `a line of ${line.length} characters`),
      ...this.#rejections.map((reason) => `an unattended promise: ${String(reason)}`),
    ];
  }

  async close(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', this.#note);
    await this.bff.close();
    if (this.#rejections.length > 0) throw new Error(`unattended: ${this.#rejections.join('; ')}`);
  }

  async #comeBack(address: URL): Promise<Page> {
    for (const name of ['code', 'state']) this.#keepSecret(address.searchParams.get(name));
    const from = this.server.issuer;
    const back = await this.callback(address);
    return this.visitor.navigate(back.href, { from, redirect: 'manual' });
  }

  async #wrongWithSession(): Promise<Violations> {
    const user = await this.visitor.fetch('/bff/user');
    const kinds = await this.#kinds();
    return [
      user.status !== 200 && `/bff/user is ${user.status}`,
      (await user.text()).includes(canary) && '/bff/user shows what it should not',
      !kinds.includes('session') && `in Redis there is ${kinds.join(', ')}`,
    ];
  }

  async #wrongWithRefusal({ status, headers, body, history }: Page): Promise<Violations> {
    const user = await this.visitor.fetch('/bff/user');
    const left = (await this.#kinds()).join(', ');
    const requested = this.bff.upstream.requests.map(({ url }) => url).join(', ');
    return [
      body.length > maxCharacters && `a page of ${body.length} characters`,
      new RegExp(`${canary}|<script`).test(body) && 'the page shows what it should not',
      headers.has('location') && `it leads to ${headers.get('location')}`,
      Boolean(history.at(-1)?.setCookie.length) && 'it sets a cookie',
      headers.get('cache-control') !== 'no-store' && status !== 431 && 'it may be cached',
      headers.has('retry-after') !== (status === 503) && `Retry-After with ${status}`,
      user.status !== 401 && `/bff/user is ${user.status}`,
      left !== (this.leavesPendingLogin ? 'login, pending-logins' : '') &&
        `left in Redis: ${left || 'nothing'}`,
      // The upstream stands for every server that must not receive a request.
      requested !== '' && `somebody else was asked for ${requested}`,
    ];
  }

  /** What kinds of records there are in Redis. */
  async #kinds(): Promise<string[]> {
    const { redis } = this.bff;
    const names = [...(await redis.dump()).keys()].map((key) => key.slice(redis.keyPrefix.length));
    return [...new Set(names.map((name) => name.split(':')[0] ?? ''))].toSorted();
  }

  #keepSecrets(tokens: object): void {
    const { access_token, refresh_token, id_token } = tokens as Record<string, unknown>;
    for (const token of [access_token, refresh_token, id_token]) this.#keepSecret(token);
  }

  #keepSecretsOf({ form, headers }: RecordedRequest): void {
    for (const name of ['code', 'code_verifier', 'refresh_token']) this.#keepSecret(form.get(name));
    this.#keepSecret(headers.authorization?.split(' ')[1]);
  }

  /** A short value may occur in the log by chance. */
  #keepSecret(value: unknown): void {
    if (typeof value === 'string' && value.length > 12) this.#secrets.add(value);
  }
}

/** The code of an error, whether it came as JSON or as a page. */
function errorCode({ body }: { readonly body: string }): string | undefined {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? /· (\w+) ·/.exec(body)?.[1];
}

function isLine(text: string): boolean {
  try {
    JSON.parse(text);
    return text.startsWith('{"level":');
  } catch {
    return false; // the question was exactly this
  }
}
