import assert from 'node:assert/strict';
import { respondWith, inTurn } from '../support/upstream/responses.ts';
import type { Page } from '../support/browser/browser.ts';
import { framesIn } from '../support/browser/forms.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import { echo } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import type { Running } from './candidate.ts';
import {
  type Backends,
  isHome,
  type Metadata,
  metadataOf,
  type InteropSetup,
  startSetup,
  subjectOf,
  tokenAtApi,
  whoIsSignedIn,
} from './setup.ts';

const csrf = { 'x-csrf': '1' };

/** What every server is asked for, in this order: the columns of the table. */
export const steps = [
  'sign-in',
  'PAR',
  'API call',
  'refresh',
  'sign-out',
  'revocation',
  'back-channel',
  'front-channel',
  'roles',
] as const;

/** One of the columns. */
export type Step = (typeof steps)[number];

/** Hears how a step went: it held, or why not. What the server cannot do is not told. */
export type ReportStep = (step: Step, failure?: unknown) => void;

interface StepDefinition {
  readonly step: Step;
  /** Whether the server offers it; always, when not given. */
  readonly isOffered?: (metadata: Metadata, running: Running) => boolean;
  readonly run: (setup: InteropSetup) => Promise<void>;
}

const definitions: readonly StepDefinition[] = [
  { step: 'sign-in', run: signsIn },
  {
    step: 'PAR',
    isOffered: (metadata) => metadata.pushed_authorization_request_endpoint !== undefined,
    run: pushesTheRequest,
  },
  { step: 'API call', run: callsTheApi },
  { step: 'refresh', run: refreshesTwice },
  { step: 'sign-out', run: signsOut },
  {
    step: 'revocation',
    isOffered: (metadata) => metadata.revocation_endpoint !== undefined,
    run: hasRevoked,
  },
  {
    step: 'back-channel',
    isOffered: ({ backchannel_logout_supported: isSaid }, { endsFromBehind: isSo }) =>
      isSaid === true || isSo === true,
    run: endsFromBehind,
  },
];

/** Tells the whole story against a server that runs. */
export async function runSteps(
  running: Running,
  backends: Backends,
  report: ReportStep,
): Promise<void> {
  const metadata = await metadataOf(running);
  await using setup = await startSetup(running, running.registration, metadata, backends);
  for (const definition of definitions) await runOne(definition, setup, report);
}

/** The same for the client whose sessions end through the browser, which may be another one. */
export async function runFrontchannelStep(
  running: Running,
  backends: Backends,
  report: ReportStep,
): Promise<void> {
  if (!running.frontchannel) return;
  const metadata = await metadataOf(running);
  const registration = { ...running.frontchannel, frontchannelLogout: true };
  await using setup = await startSetup(running, registration, metadata, backends);
  await runOne({ step: 'front-channel', run: endsInFrames }, setup, report);
}

/** The step for servers whose roles can be changed while a user works, with a session of its own. */
export async function runRolesStep(
  running: Running,
  backends: Backends,
  report: ReportStep,
): Promise<void> {
  if (!running.changeRole) return;
  const metadata = await metadataOf(running);
  await using setup = await startSetup(running, running.registration, metadata, backends);
  await runOne({ step: 'roles', run: followsRoles }, setup, report);
}

async function runOne(
  { step, isOffered, run }: StepDefinition,
  setup: InteropSetup,
  report: ReportStep,
) {
  if (isOffered && !isOffered(setup.metadata, setup.running)) return;
  try {
    await run(setup);
    report(step);
  } catch (error) {
    const relevant = setup.bff.lines.filter(
      ({ msg, level }) => msg !== 'request completed' || level !== 'info',
    );
    const logged = relevant.slice(-5).map((line) => JSON.stringify(line));
    const printed = setup.running.output.slice(-2000);
    report(step, new Error([...logged, printed].join('\n'), { cause: error }));
  }
}

async function signsIn(setup: InteropSetup): Promise<void> {
  await signIn(setup);
  assert(await whoIsSignedIn(setup), 'nobody is signed in');
}

/**
 * From the login endpoint, by the server's form, to the return URL; gives the server's first page.
 */
async function signIn(setup: InteropSetup): Promise<Page> {
  const { running, browser, publicUrl } = setup;
  const form = await browser.navigate('/bff/login?returnUrl=/welcome');
  assert(!isHome(setup, form), `no form was shown, but ${form.url}: ${form.body}`);
  const page = await running.signIn(browser, form);
  assert.equal(page.url, `${publicUrl}/welcome`);
  return form;
}

/**
 * What the browser carries to the authorization endpoint is a reference and nothing else (RFC 9126
 * §4).
 */
async function pushesTheRequest({ browser }: InteropSetup): Promise<void> {
  const page = await browser.navigate('/bff/login', { redirect: 'manual' });
  const request = new URL(page.headers.get('location') ?? '', page.url);
  assert.deepEqual([...request.searchParams.keys()].toSorted(), ['client_id', 'request_uri']);
}

async function callsTheApi(setup: InteropSetup): Promise<void> {
  const { browser, upstream } = setup;
  const response = await browser.fetch('/api/hello');
  assert.equal(response.status, 200);
  assert.equal(upstream.last.headers.cookie, undefined);
  assert.equal(await subjectOf(setup, tokenAtApi(setup)), await whoIsSignedIn(setup));
}

/** Twice, so that a server that rotates its refresh tokens is asked with the second one. */
async function refreshesTwice(setup: InteropSetup): Promise<void> {
  const { browser, upstream } = setup;
  const refused = { 'www-authenticate': 'Bearer error="invalid_token"' };
  for (const turn of [1, 2]) {
    // A refused token is replaced once in 30 seconds, so the first refresh has another cause.
    if (turn === 1) await browser.fetch('/bff/refresh', { method: 'POST', headers: csrf });
    else upstream.handler = inTurn(respondWith(401, '', refused), echo());
    const response = await browser.fetch('/api/hello');
    assert.equal(response.status, 200, await response.text());
    assert.equal(await subjectOf(setup, tokenAtApi(setup)), await whoIsSignedIn(setup));
    assert.equal(await refreshes(setup), turn);
  }
}

async function refreshes({ managementUrl }: InteropSetup): Promise<number | undefined> {
  const response = await fetch(`${managementUrl}/metrics`);
  const figures = figuresIn(await response.text());
  return figures['pixie_refreshes_total{provider="interop",outcome="refreshed"}'];
}

/**
 * Here, and at the server too where it has an address for that: the next sign-in asks for the
 * password again.
 */
async function signsOut(setup: InteropSetup): Promise<void> {
  const { running, browser, metadata, publicUrl } = setup;
  const user = (await (await browser.fetch('/bff/user')).json()) as { logoutUrl: string };
  const page = await browser.navigate(`${user.logoutUrl}&returnUrl=/goodbye`, { from: publicUrl });
  const end = isHome(setup, page) ? page : await running.confirmSignOut?.(browser, page);
  assert.equal(end?.url, `${publicUrl}/goodbye`);
  assert.equal(await whoIsSignedIn(setup), undefined);
  const endSession = metadata.end_session_endpoint;
  if (!endSession) return;
  assert(
    page.history.some(({ url }) => url.startsWith(endSession)),
    'it was not visited',
  );
  const form = await browser.navigate('/bff/login?returnUrl=/welcome');
  assert(!isHome(setup, form), 'the server still knows who it is');
}

/**
 * What was revoked is the refresh token; most servers end its access tokens with it (RFC 7009
 * §2.1).
 */
async function hasRevoked(setup: InteropSetup): Promise<void> {
  const warning = setup.bff.lines.find(({ msg }) => msg === 'revocation failed');
  assert.equal(warning, undefined, JSON.stringify(warning));
  if (setup.running.sparesAccessTokens) return;
  assert.equal(await subjectOf(setup, tokenAtApi(setup)), undefined, 'the token is still good');
}

/** A role that is granted or revoked there counts after the next refresh, without a new sign-in. */
async function followsRoles(setup: InteropSetup): Promise<void> {
  const { running, browser, upstream } = setup;
  const statusOfAdmin = async () => (await browser.fetch('/admin/x')).status;
  upstream.handler = echo();
  await signsIn(setup);
  const refused = await browser.fetch('/admin/x');
  assert.equal(refused.status, 403);
  const problem = (await refused.json()) as Record<string, unknown>;
  assert.deepEqual([problem['code'], problem['claim']], ['not_allowed', 'realm_access.roles']);

  await running.changeRole?.('grant');
  assert.equal(await statusOfAdmin(), 403, 'before the refresh');
  const refreshed = await browser.fetch('/bff/refresh', { method: 'POST', headers: csrf });
  assert.equal(refreshed.status, 200, await refreshed.text());
  assert.equal(await statusOfAdmin(), 200, 'after the role was granted');

  await running.changeRole?.('revoke');
  const invalid = { 'www-authenticate': 'Bearer error="invalid_token"' };
  upstream.handler = inTurn(respondWith(401, '', invalid), echo());
  assert.equal((await browser.fetch('/api/hello')).status, 200);
  assert.equal(await statusOfAdmin(), 403, 'after the role was revoked');
}

async function endsFromBehind(setup: InteropSetup): Promise<void> {
  await signsIn(setup);
  await signOutAtServer(setup);
  await waitFor(async () => (await whoIsSignedIn(setup)) === undefined);
}

async function endsInFrames(setup: InteropSetup): Promise<void> {
  await signsIn(setup);
  const page = await signOutAtServer(setup);
  const frames = framesIn(page.body).filter((address) => address.startsWith(setup.publicUrl));
  assert(frames.length > 0, `no frame of ours in ${page.url}: ${page.body}`);
  for (const frame of frames) {
    const { status } = await setup.browser.navigate(frame, { dest: 'iframe' });
    assert.equal(status, 200);
  }
  assert.equal(await whoIsSignedIn(setup), undefined);
}

/** As a person does who signs out at the server's own pages, or in another application. */
async function signOutAtServer({ running, browser, metadata }: InteropSetup): Promise<Page> {
  if (running.signOutThere) return running.signOutThere(browser);
  assert(metadata.end_session_endpoint, 'it has no end_session_endpoint');
  const page = await browser.navigate(metadata.end_session_endpoint);
  return (await running.confirmSignOut?.(browser, page)) ?? page;
}
