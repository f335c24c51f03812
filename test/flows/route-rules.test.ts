import {
  type AuthorizationServer,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { acceptWebSockets, openWebSocket, refusalOf } from '../support/network/web-sockets.ts';
import { eventFeed } from '../support/upstream/responses.ts';
import { SessionStore } from '../../src/session/sessions/session-store.ts';

const people = {
  admin: { name: 'Ada', realm_access: { roles: ['admin', 'auditor'] } },
  clerk: { name: 'Cleo', realm_access: { roles: ['clerk'] } },
};

const adminsOnly = { claim: 'realm_access.roles', any: ['admin'] };
const adminsMayWrite = { ...adminsOnly, methods: ['POST' as const, 'GET' as const] };
const both = { claim: 'realm_access.roles', all: ['admin', 'auditor'] };

let bff: TestBff;

beforeAll(async () => {
  bff = await startBff({
    authorizationServer: { people },
    routes: (usual) => [
      { ...usual, path: '/admin', websocket: true, require: [adminsOnly, both] },
      { ...usual, path: '/by-method', websocket: true, require: [adminsMayWrite] },
      { ...usual, path: '/optional', token: 'optional', require: [adminsOnly] },
    ],
  });
});

afterAll(() => bff.close());

beforeEach(() => {
  bff.upstream.requests.length = 0;
});

const signedInAs = (person: string) => bff.signedIn(person);

async function statusOf(browser: TestBrowser, path: string, method = 'GET') {
  const response = await browser.fetch(path, { method });
  await response.arrayBuffer();
  return response.status;
}

describe('a route with rules', () => {
  it('serves users for whom every rule holds', async () => {
    const browser = await signedInAs('admin');
    expect(await statusOf(browser, '/admin/x')).toBe(200);
    expect(bff.upstream.requests).toHaveLength(1);
  });

  it('refuses others with the claim that did not hold, and the upstream is not called', async () => {
    const browser = await signedInAs('clerk');
    const before = bff.logs.lines.length;
    const response = await browser.fetch('/admin/x');
    expect(response.status).toBe(403);
    const problem = (await response.json()) as object;
    expect(problem).toMatchObject({ code: 'not_allowed', claim: 'realm_access.roles' });
    expect(JSON.stringify(problem)).not.toMatch(/admin|auditor|clerk/);
    expect(bff.upstream.requests).toEqual([]);
    const lines = bff.logs.lines.slice(before);
    const refused = lines.find(({ msg }) => msg === 'access refused');
    expect(refused).toMatchObject({ at: '/admin', claim: 'realm_access.roles', rule: 0 });
    expect(refused?.['req']).toBeDefined();
    const text = await (await fetch(`${bff.managementUrl}/metrics`)).text();
    expect(figuresIn(text)['pixie_not_allowed_total{at="/admin",rule="0"}']).toBe(1);
  });

  it.each([
    ['GET', 403],
    ['HEAD', 403],
    ['POST', 403],
    ['PUT', 200],
  ])('limits an entry to its methods: %s is %i', async (method, status) => {
    expect(await statusOf(await signedInAs('clerk'), '/by-method/x', method)).toBe(status);
  });

  it('judges a WebSocket as GET', async () => {
    const accepted = acceptWebSockets(bff.upstream);
    const refused = openWebSocket(bff, await signedInAs('clerk'), { path: '/by-method/x' });
    expect(await refusalOf(refused)).toEqual([403, 'not_allowed']);
    const page = await openWebSocket(bff, await signedInAs('admin'), { path: '/by-method/x' });
    await accepted.next();
    page.socket.close();
  });

  it('judges only signed-in callers where the token is optional', async () => {
    expect(await statusOf(bff.browser(), '/optional/x')).toBe(200);
    expect(await statusOf(await signedInAs('clerk'), '/optional/x')).toBe(403);
    expect(await statusOf(await signedInAs('admin'), '/optional/x')).toBe(200);
  });

  it('asks for a sign-in first', async () => {
    expect(await statusOf(bff.browser(), '/admin/x')).toBe(401);
  });
});

describe('a user whose claims change while a connection is open', () => {
  async function demote(browser: TestBrowser): Promise<void> {
    const user = (await (await browser.fetch('/bff/user')).json()) as { session: { id: string } };
    await bff.app.get(SessionStore).changeNow(user.session.id, (session) => ({
      ...session,
      claims: { ...session.claims, realm_access: { roles: ['clerk'] } },
    }));
  }

  it('loses a WebSocket of a route that no longer admits them, with 4403', async () => {
    acceptWebSockets(bff.upstream);
    const browser = await signedInAs('admin');
    const admin = await openWebSocket(bff, browser, { path: '/admin/x' });
    await demote(browser);
    expect(await admin.ended).toEqual({ code: 4403, reason: '' });
    expect(await statusOf(browser, '/admin/x')).toBe(403);
  });

  it('loses a stream of events', async () => {
    const feed = eventFeed();
    bff.upstream.handler = feed.handler;
    const browser = await signedInAs('admin');
    const response = await browser.fetch('/admin/events');
    expect(response.status).toBe(200);
    await demote(browser);
    await expect(response.text()).rejects.toThrow(/terminated|aborted/);
  });
});

describe('a connected account that is over while a connection is open', () => {
  let partner: AuthorizationServer;
  let alone: TestBff;

  beforeAll(async () => {
    partner = await startAuthorizationServer({ clientId: 'at-partner', people });
    const { issuer, clientId, clientSecret } = partner;
    alone = await startBff({
      providers: (usual) => [usual, { id: 'partner', issuer, clientId, clientSecret }],
      routes: (usual) => [
        { ...usual, path: '/partner', provider: 'partner' },
        { ...usual, path: '/partner-admin', provider: 'partner', require: [adminsOnly] },
      ],
    });
    partner.registerClient({ redirect_uris: [`${alone.url}/bff/callback/partner`] });
    acceptWebSockets(alone.upstream);
  });

  afterAll(async () => {
    await alone.close();
    await partner.close();
  });

  it.each(['/partner', '/partner-admin'])('loses a WebSocket of %s, with 4403', async (path) => {
    const browser = await alone.signedIn();
    await browser.click('/bff/connect/partner?login_hint=admin');
    browser.location = `${alone.url}/`;
    const socket = await openWebSocket(alone, browser, { path: `${path}/x` });
    const response = await browser.fetch('/bff/disconnect/partner', { method: 'POST' });
    expect(response.status).toBe(204);
    expect(await socket.ended).toEqual({ code: 4403, reason: '' });
  });
});
