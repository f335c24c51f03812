import { testClock, type TestClock } from '../time/clock.ts';
import type { TestBrowser } from '../browser/browser.ts';
import { type BffOverrides, startBff, type TestBff } from './bff.ts';

/** A running BFF with signed-in browsers whose access tokens have expired. */
export interface ExpiredTokens extends AsyncDisposable {
  readonly bff: TestBff;
  /** The first browser. */
  readonly browser: TestBrowser;
  /** One browser for each person, in their order. */
  readonly browsers: readonly TestBrowser[];
  readonly clock: TestClock;
}

/** Starts a BFF, signs these people in, and advances its clock beyond the access tokens' end. */
export async function startWithExpiredTokens(
  people: readonly string[] = ['alice'],
  overrides: BffOverrides = {},
): Promise<ExpiredTokens> {
  const clock = testClock();
  const bff = await startBff({
    clock: clock.now,
    authorizationServer: { accessTokenSeconds: 60 },
    ...overrides,
  });
  const browsers = await Promise.all(people.map((person) => bff.signedIn(person)));
  clock.advance(61_000);
  const [browser] = browsers as [TestBrowser];
  return { bff, browser, browsers, clock, [Symbol.asyncDispose]: () => bff.close() };
}

/** The number of refresh requests that the authorization server has received. */
export function refreshCount({ authorizationServer }: TestBff): number {
  return authorizationServer.tokenRequests('refresh_token').length;
}
