import { respondWith } from '../support/upstream/responses.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { testClock } from '../support/time/clock.ts';
import { startRedis } from '../support/redis/redis.ts';
import { figuresIn } from '../support/bff/metrics.ts';
import { waitFor } from '../support/time/wait-for.ts';
import { changed, untilCallback, visitCallback } from '../flows/steps.ts';

async function metrics(bff: TestBff): Promise<string> {
  return (await fetch(`${bff.managementUrl}/metrics`)).text();
}

const figures = async (bff: TestBff) => figuresIn(await metrics(bff));

const asRoute = 'kind="route",route="/api"';
const asEndpoint = (path: string) => `kind="endpoint",route="${path}"`;

describe('/metrics', () => {
  it('is the text format of Prometheus, without authentication on the private listener', async () => {
    await using bff = await startBff({ store: 'memory' });
    const response = await fetch(`${bff.managementUrl}/metrics?x=1`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const lines = (await response.text()).split('\n').filter(Boolean);
    for (const line of lines) expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{.*\})? \S+)$/);
    const posted = await fetch(`${bff.managementUrl}/metrics`, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('has the process: memory, processor time, event loop', async () => {
    await using bff = await startBff({ store: 'memory' });
    const all = await figures(bff);
    for (const name of [
      'process_resident_memory_bytes',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_p99_seconds',
    ])
      expect(all[name]).toEqual(expect.any(Number));
  });

  it('names what is configured before anything has happened', async () => {
    await using bff = await startBff({ store: 'memory' });
    expect(await figures(bff)).toMatchObject({
      'pixie_sign_ins_started_total{provider="corp"}': 0,
      'pixie_refreshes_total{provider="corp",outcome="failed"}': 0,
      'pixie_upstream_failures_total{route="/api",code="upstream_timeout"}': 0,
      'pixie_sign_outs_total{by="user"}': 0,
    });
  });
});

describe('what is counted', () => {
  it('calls, by route, kind of method and status, with their time', async () => {
    await using bff = await startBff({ store: 'memory' });
    const browser = await bff.signedIn();
    await browser.fetch('/api/notes?a=1');
    await browser.fetch('/api/notes/2', { method: 'POST', body: 'x' });
    bff.upstream.handler = respondWith(418, '');
    await browser.fetch('/api/teapot');
    await browser.fetch('/bff/user');
    await browser.fetch('/bff/nowhere');
    await browser.fetch('/nowhere');
    await waitFor(async () => {
      expect(await figures(bff)).toMatchObject({
        [`pixie_http_requests_total{${asRoute},method="read",status="200"}`]: 1,
        [`pixie_http_requests_total{${asRoute},method="write",status="200"}`]: 1,
        [`pixie_http_requests_total{${asRoute},method="read",status="418"}`]: 1,
        [`pixie_http_requests_total{${asEndpoint('/bff/user')},method="read",status="200"}`]: 1,
        [`pixie_http_requests_total{${asEndpoint('')},method="read",status="404"}`]: 1,
        // The sign-in ended at `/`.
        'pixie_http_requests_total{kind="frontend",route="",method="read",status="404"}': 2,
        [`pixie_http_request_duration_seconds_count{${asRoute}}`]: 3,
        [`pixie_http_request_duration_seconds_bucket{${asRoute},le="+Inf"}`]: 3,
        'pixie_problems_total{code="not_found"}': 3,
      });
      return true;
    });
    const all = await figures(bff);
    expect(all['pixie_session_cache_sessions']).toBe(1);
    expect(all['pixie_session_cache_bytes']).toBeGreaterThan(100);
    expect(all['pixie_session_cache_hits_total']).toBe(2);
    expect(all['pixie_session_cache_misses_total']).toBe(1);
  });

  it('responses of a frontend server as frontend', async () => {
    await using bff = await startBff({
      store: 'memory',
      routes: [],
      frontend: { url: 'http://127.0.0.1:9' },
    });
    expect((await bff.browser().fetch('/x')).status).toBe(502);
    await waitFor(async () => {
      const all = await figures(bff);
      const name = 'pixie_http_requests_total{kind="frontend",route="",method="read",status="502"}';
      return all[name] === 1;
    });
  });

  it('upstreams that do not respond', async () => {
    await using bff = await startBff({
      store: 'memory',
      routes: [{ path: '/gone', upstream: 'http://127.0.0.1:9', token: 'none' }],
    });
    expect((await bff.browser().fetch('/gone/by')).status).toBe(502);
    expect(await figures(bff)).toMatchObject({
      'pixie_upstream_failures_total{route="/gone",code="upstream_unreachable"}': 1,
      'pixie_upstream_failures_total{route="/gone",code="upstream_timeout"}': 0,
      'pixie_problems_total{code="upstream_unreachable"}': 1,
    });
  });

  it('sign-ins: begun, completed, failed and why', async () => {
    await using bff = await startBff({ store: 'memory' });
    await bff.signedIn();
    const browser = bff.browser();
    const callback = await untilCallback(bff, browser);
    const denied = changed(callback, { code: null, error: 'access_denied' });
    expect((await visitCallback(bff, browser, denied)).status).toBe(403);
    expect((await visitCallback(bff, browser, callback)).status).toBe(400);
    await bff.authorizationServer.goDown();
    expect(await figures(bff)).toMatchObject({
      'pixie_sign_ins_started_total{provider="corp"}': 2,
      'pixie_sign_ins_completed_total{provider="corp"}': 1,
      'pixie_sign_ins_failed_total{provider="corp",code="login_denied"}': 1,
      'pixie_sign_ins_failed_total{provider="corp",code="login_expired"}': 1,
    });
  });

  it('refreshes, by what became of them', async () => {
    const clock = testClock();
    await using bff = await startBff({
      store: 'memory',
      clock: clock.now,
      authorizationServer: { accessTokenSeconds: 60 },
    });
    const browser = await bff.signedIn();
    const outcome = async (name: string) =>
      (await figures(bff))[`pixie_refreshes_total{provider="corp",outcome="${name}"}`];
    clock.advance(61_000);
    await browser.fetch('/api/x');
    expect(await outcome('refreshed')).toBe(1);
    clock.advance(61_000);
    bff.authorizationServer.override('token', respondWith(503, ''));
    expect((await browser.fetch('/api/x')).status).toBe(503);
    expect(await outcome('failed')).toBe(1);
    bff.authorizationServer.override('token', undefined);
    bff.authorizationServer.revokeEverything();
    clock.advance(61_000);
    expect((await browser.fetch('/api/x')).status).toBe(401);
    expect(await outcome('ended')).toBe(1);
  });

  it('sign-outs, by who wanted them', async () => {
    const token = 'an operator token, only for tests'.replaceAll(' ', '-');
    await using bff = await startBff({ store: 'memory', management: { token } });
    const browser = await bff.signedIn();
    await browser.fetch('/bff/logout', { method: 'POST' });
    await bff.signedIn('bob');
    await bff.signedIn('bob');
    const ended = await fetch(`${bff.managementUrl}/sessions?sub=bob`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(ended.status).toBe(204);
    expect(await figures(bff)).toMatchObject({
      'pixie_sign_outs_total{by="user"}': 1,
      'pixie_sign_outs_total{by="operator"}': 2,
      'pixie_sign_outs_total{by="backchannel"}': 0,
    });
  });

  it('whether Redis is there, and how often it was lost', async () => {
    const redis = await startRedis();
    await using bff = await startBff({ redis: { url: redis.url } });
    await bff.signedIn();
    expect(await figures(bff)).toMatchObject({
      pixie_redis_connected: 1,
      pixie_redis_connections_lost_total: 0,
    });
    await redis.stop();
    await waitFor(async () => (await figures(bff))['pixie_redis_connected'] === 0);
    expect((await figures(bff))['pixie_redis_connections_lost_total']).toBe(1);
  });

  it('lines of the log that were dropped', async () => {
    await using bff = await startBff({ store: 'memory' });
    expect(await figures(bff)).toMatchObject({ pixie_log_lines_dropped_total: 0 });
    bff.logs.drop(3);
    expect(await figures(bff)).toMatchObject({ pixie_log_lines_dropped_total: 3 });
  });

  it('nothing that is secret or personal', async () => {
    await using bff = await startBff({
      store: 'memory',
      session: { secrets: ['canary-secret-canary-secret-canary'] },
    });
    const browser = await bff.signedIn('canary-person');
    await browser.fetch('/api/canary-path?canary-query=1', { headers: { 'x-canary': 'canary' } });
    await browser.fetch('/canary-page');
    await browser.fetch('/bff/canary-endpoint');
    await browser.fetch('/bff/sessions/canary-session', { method: 'DELETE' });
    await browser.navigate(`${bff.url}/bff/login?provider=canary-provider`);
    await browser.navigate(`${bff.url}/bff/callback/canary?code=canary&state=canary`);
    const text = await metrics(bff);
    expect(text).not.toContain('canary');
    for (const { value } of browser.cookies()) expect(text).not.toContain(value.slice(0, 12));
    expect(text).not.toContain('127.0.0.1');
    const labels = new Set([...text.matchAll(/([a-z]+)="/g)].map(([, name]) => name));
    const ours = [
      'kind',
      'route',
      'method',
      'status',
      'code',
      'provider',
      'outcome',
      'event',
      'by',
      'le',
    ];
    const ofNode = ['type', 'space', 'version', 'major', 'minor', 'patch'];
    expect([...labels].filter((name) => ![...ours, ...ofNode].includes(name ?? ''))).toEqual([]);
  });
});
