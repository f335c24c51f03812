import assert from 'node:assert/strict';
import { answer, inTurn } from '../support/upstream/responses.ts';
import type { Page } from '../support/browser/browser.ts';
import { framesIn } from '../support/browser/forms.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import { echo } from '../support/upstream/upstream.ts';
import { waitFor } from '../support/time/wait-for.ts';
import type { Running } from './candidate.ts';
import {
  type Ground,
  isHome,
  type Metadata,
  metadataOf,
  type Scene,
  stage,
  subjectOf,
  tokenAtApi,
  whoIsSignedIn,
} from './scene.ts';

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
] as const;

/** One of the columns. */
export type Step = (typeof steps)[number];

/** Hears how a step went: it held, or why not. What the server cannot do is not told. */
export type Teller = (step: Step, failure?: unknown) => void;

interface Chapter {
  readonly step: Step;
  /** Whether the server offers it; always, when not given. */
  readonly isOffered?: (metadata: Metadata, running: Running) => boolean;
  readonly play: (scene: Scene) => Promise<void>;
}

const chapters: readonly Chapter[] = [
  { step: 'sign-in', play: signsIn },
  {
    step: 'PAR',
    isOffered: (metadata) => metadata.pushed_authorization_request_endpoint !== undefined,
    play: pushesTheRequest,
  },
  { step: 'API call', play: callsTheApi },
  { step: 'refresh', play: refreshesTwice },
  { step: 'sign-out', play: signsOut },
  {
    step: 'revocation',
    isOffered: (metadata) => metadata.revocation_endpoint !== undefined,
    play: hasRevoked,
  },
  {
    step: 'back-channel',
    isOffered: ({ backchannel_logout_supported: isSaid }, { endsFromBehind: isSo }) =>
      isSaid === true || isSo === true,
    play: endsFromBehind,
  },
];

/** Tells the whole story against a server that runs. */
export async function play(running: Running, ground: Ground, tell: Teller): Promise<void> {
  const metadata = await metadataOf(running);
  await using scene = await stage(running, running.registration, metadata, ground);
  for (const chapter of chapters) await playOne(chapter, scene, tell);
}

/** The same for the client whose sessions end through the browser, which may be another one. */
export async function playFrontchannel(
  running: Running,
  ground: Ground,
  tell: Teller,
): Promise<void> {
  if (!running.frontchannel) return;
  const metadata = await metadataOf(running);
  const registration = { ...running.frontchannel, frontchannelLogout: true };
  await using scene = await stage(running, registration, metadata, ground);
  await playOne({ step: 'front-channel', play: endsInFrames }, scene, tell);
}

async function playOne({ step, isOffered, play: run }: Chapter, scene: Scene, tell: Teller) {
  if (isOffered && !isOffered(scene.metadata, scene.running)) return;
  try {
    await run(scene);
    tell(step);
  } catch (error) {
    const told = scene.bff.lines.filter(
      ({ msg, level }) => msg !== 'request completed' || level !== 'info',
    );
    const logged = told.slice(-5).map((line) => JSON.stringify(line));
    const printed = scene.running.output.slice(-2000);
    tell(step, new Error([...logged, printed].join('\n'), { cause: error }));
  }
}

async function signsIn(scene: Scene): Promise<void> {
  await signIn(scene);
  assert(await whoIsSignedIn(scene), 'nobody is signed in');
}

/**
 * From the login endpoint, by the server's form, to the return URL; gives the server's first page.
 */
async function signIn(scene: Scene): Promise<Page> {
  const { running, browser, publicUrl } = scene;
  const asked = await browser.navigate('/bff/login?returnUrl=/welcome');
  assert(!isHome(scene, asked), `no form was shown, but ${asked.url}: ${asked.body}`);
  const page = await running.signIn(browser, asked);
  assert.equal(page.url, `${publicUrl}/welcome`);
  return asked;
}

/**
 * What the browser carries to the authorization endpoint is a reference and nothing else (RFC 9126
 * §4).
 */
async function pushesTheRequest({ browser }: Scene): Promise<void> {
  const page = await browser.navigate('/bff/login', { redirect: 'manual' });
  const request = new URL(page.headers.get('location') ?? '', page.url);
  assert.deepEqual([...request.searchParams.keys()].toSorted(), ['client_id', 'request_uri']);
}

async function callsTheApi(scene: Scene): Promise<void> {
  const { browser, upstream } = scene;
  const response = await browser.fetch('/api/hello');
  assert.equal(response.status, 200);
  assert.equal(upstream.last.headers.cookie, undefined);
  assert.equal(await subjectOf(scene, tokenAtApi(scene)), await whoIsSignedIn(scene));
}

/** Twice, so that a server that rotates its refresh tokens is asked with the second one. */
async function refreshesTwice(scene: Scene): Promise<void> {
  const { browser, upstream } = scene;
  const refused = { 'www-authenticate': 'Bearer error="invalid_token"' };
  for (const turn of [1, 2]) {
    upstream.handler = inTurn(answer(401, '', refused), echo());
    const response = await browser.fetch('/api/hello');
    assert.equal(response.status, 200, await response.text());
    assert.equal(await subjectOf(scene, tokenAtApi(scene)), await whoIsSignedIn(scene));
    assert.equal(await refreshes(scene), turn);
  }
}

async function refreshes({ managementUrl }: Scene): Promise<number | undefined> {
  const response = await fetch(`${managementUrl}/metrics`);
  const figures = figuresIn(await response.text());
  return figures['pixie_refreshes_total{provider="interop",outcome="refreshed"}'];
}

/**
 * Here, and at the server too where it has an address for that: the next sign-in asks for the
 * password again.
 */
async function signsOut(scene: Scene): Promise<void> {
  const { running, browser, metadata, publicUrl } = scene;
  const user = (await (await browser.fetch('/bff/user')).json()) as { logoutUrl: string };
  const page = await browser.navigate(`${user.logoutUrl}&returnUrl=/goodbye`, { from: publicUrl });
  const end = isHome(scene, page) ? page : await running.confirmSignOut?.(browser, page);
  assert.equal(end?.url, `${publicUrl}/goodbye`);
  assert.equal(await whoIsSignedIn(scene), undefined);
  const endSession = metadata.end_session_endpoint;
  if (!endSession) return;
  assert(
    page.history.some(({ url }) => url.startsWith(endSession)),
    'it was not visited',
  );
  const asked = await browser.navigate('/bff/login?returnUrl=/welcome');
  assert(!isHome(scene, asked), 'the server still knows who it is');
}

/**
 * What was revoked is the refresh token; most servers end its access tokens with it (RFC 7009
 * §2.1).
 */
async function hasRevoked(scene: Scene): Promise<void> {
  const complaint = scene.bff.lines.find(({ msg }) => msg === 'revocation failed');
  assert.equal(complaint, undefined, JSON.stringify(complaint));
  if (scene.running.sparesAccessTokens) return;
  assert.equal(await subjectOf(scene, tokenAtApi(scene)), undefined, 'the token is still good');
}

async function endsFromBehind(scene: Scene): Promise<void> {
  await signsIn(scene);
  await signOutAtServer(scene);
  await waitFor(async () => (await whoIsSignedIn(scene)) === undefined);
}

async function endsInFrames(scene: Scene): Promise<void> {
  await signsIn(scene);
  const page = await signOutAtServer(scene);
  const frames = framesIn(page.body).filter((address) => address.startsWith(scene.publicUrl));
  assert(frames.length > 0, `no frame of ours in ${page.url}: ${page.body}`);
  for (const frame of frames) {
    const { status } = await scene.browser.navigate(frame, { dest: 'iframe' });
    assert.equal(status, 200);
  }
  assert.equal(await whoIsSignedIn(scene), undefined);
}

/** As a person does who signs out at the server's own pages, or in another application. */
async function signOutAtServer({ running, browser, metadata }: Scene): Promise<Page> {
  if (running.signOutThere) return running.signOutThere(browser);
  assert(metadata.end_session_endpoint, 'it has no end_session_endpoint');
  const page = await browser.navigate(metadata.end_session_endpoint);
  return (await running.confirmSignOut?.(browser, page)) ?? page;
}
