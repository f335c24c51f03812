import type { RouteOptions } from '../../src/config/options.ts';
import { parseAddress } from '../../src/proxy/upstream/address.ts';
import { canonicalTarget } from '../../src/proxy/path.ts';
import { Routes, upstreamPath } from '../../src/proxy/routes.ts';
import { route as anyRoute } from '../support/bff/route.ts';

const route = (path: string, options: Partial<RouteOptions> = {}) => anyRoute({ path, ...options });

/** The address a request to `target` leads to. Absent: no route has it. */
function addressOf(routes: Routes<RouteOptions>, target: string): string | undefined {
  const { path, query } = canonicalTarget(target);
  const match = routes.match(path);
  if (!match) return undefined;
  const { origin, basePath } = parseAddress(match.upstream[0] ?? '');
  return origin + upstreamPath(match, basePath, path) + query;
}

describe('the route of a path', () => {
  const routes = new Routes(
    [
      route('/api'),
      route('/api/reports/daily'),
      route('/api/reports'),
      route('/api/@me'),
      route('/graphql'),
    ],
    ['/bff'],
  );

  it.each([
    ['/api', '/api'],
    ['/api/', '/api'],
    ['/api/orders', '/api'],
    ['/api/report', '/api'],
    ['/api/reportsx', '/api'],
    ['/api/reports', '/api/reports'],
    ['/api/reports/', '/api/reports'],
    ['/api/reports/weekly', '/api/reports'],
    ['/api/reports/daily', '/api/reports/daily'],
    ['/api/reports/daily/1', '/api/reports/daily'],
    ['/api/reports/daily-x', '/api/reports'],
    ['/%61pi/reports', '/api/reports'],
    ['/api/rep%6Frts', '/api/reports'],
    ['/api/@me', '/api/@me'],
    ['/api/%40me', '/api/@me'],
    ['/api/%40me/photo', '/api/@me'],
    ['/graphql?query=/api', '/graphql'],
  ])('of %s is %s', (target, expected) => {
    expect(routes.match(canonicalTarget(target).path)?.path).toBe(expected);
  });

  it.each([
    '/',
    '/apix',
    '/api-admin',
    '/api.json',
    '/ap',
    '/x/api',
    '/graphqlx',
    '/?/api',
    '/admin?x=/api/public',
    '/api%3Forders',
    '/bff/login',
  ])('of %s there is none', (target) => {
    expect(routes.match(canonicalTarget(target).path)).toBeUndefined();
  });

  it.each([
    '/API/orders',
    '/api;v=1/orders',
    '/api%20/orders',
    '/api./orders',
    '/;/api',
    '/api/Reports',
    '/api/reports/Daily',
    '/api/reports;x/daily',
    '/api/report%C5%BF',
    '/api/%2572eports',
    '/api/@ME',
    '/BFF/login',
    '/bff;x',
  ])('of %s is none, for others could take it for one of another route', (target) => {
    expect(() => routes.match(canonicalTarget(target).path)).toThrow(
      expect.objectContaining({ code: 'bad_path' }),
    );
  });

  it('of an exact spelling stands where another route differs from it in case alone', () => {
    const both = new Routes(
      [route('/api'), route('/api/a'), route('/api/A'), route('/BFF')],
      ['/bff'],
    );
    expect(both.match('/api/a/x')?.path).toBe('/api/a');
    expect(both.match('/api/A/x')?.path).toBe('/api/A');
    expect(both.match('/BFF/login')?.path).toBe('/BFF');
    expect(both.match('/bff/login')).toBeUndefined();
    expect(() => both.match('/Api/a')).toThrow(expect.objectContaining({ code: 'bad_path' }));
    expect(() => both.match('/Bff/login')).toThrow(expect.objectContaining({ code: 'bad_path' }));
  });

  it('is not that of a lower-case path where a nested route is written in capitals', () => {
    const nested = new Routes([route('/api'), route('/api/Admin')], ['/bff']);
    expect(nested.match('/api/Admin/x')?.path).toBe('/api/Admin');
    expect(nested.match('/api/x')?.path).toBe('/api');
    expect(() => nested.match('/api/admin/x')).toThrow(
      expect.objectContaining({ code: 'bad_path' }),
    );
  });

  it.each(['/bff', '/bff/', '/bff/login', '/bff/unknown', '/%62ff/login'])(
    'never matches %s, which is the BFF’s own, even where a route has everything',
    (target) => {
      const everything = new Routes([route('/'), route('/bff/login')], ['/bff']);
      expect(everything.match(canonicalTarget(target).path)).toBeUndefined();
      expect(everything.match('/bffx')?.path).toBe('/');
    },
  );

  it('does not depend on the order in which routes are written', () => {
    const paths = ['/', '/a', '/a/b', '/a/b/c'];
    for (const order of [paths, paths.toReversed()]) {
      const any = new Routes(
        order.map((path) => route(path)),
        ['/bff'],
      );
      const found = ['/x', '/a/x', '/a/b/x', '/a/b/c/x'].map((path) => any.match(path)?.path);
      expect(found).toEqual(paths);
    }
  });
});

describe('the address at the upstream', () => {
  it.each([
    ['http://u.test', false, '/api', 'http://u.test/api'],
    ['http://u.test', false, '/api/', 'http://u.test/api/'],
    ['http://u.test', false, '/api/orders?a=%2e&b', 'http://u.test/api/orders?a=%2e&b'],
    ['http://u.test', true, '/api', 'http://u.test/'],
    ['http://u.test', true, '/api/', 'http://u.test/'],
    ['http://u.test', true, '/api/orders/', 'http://u.test/orders/'],
    ['http://u.test', true, '/%61pi/orders', 'http://u.test/orders'],
    ['http://u.test', true, '/api?x', 'http://u.test/?x'],
    ['http://u.test:8080', true, '/api/api/x', 'http://u.test:8080/api/x'],
    ['http://u.test/v1', false, '/api/x', 'http://u.test/v1/api/x'],
    ['http://u.test/v1/', false, '/api/x', 'http://u.test/v1/api/x'],
    ['http://u.test/v1', true, '/api/x', 'http://u.test/v1/x'],
    ['http://u.test/v1', true, '/api', 'http://u.test/v1/'],
    ['https://u.test/a/b', true, '/api/c', 'https://u.test/a/b/c'],
  ])('%s (strip: %s) for %s is %s', (upstream, stripPrefix, target, expected) => {
    const routes = new Routes([route('/api', { upstream: [upstream], stripPrefix })], ['/bff']);
    expect(addressOf(routes, target)).toBe(expected);
  });

  it('loses a prefix that was sent percent-encoded, and no more', () => {
    const routes = new Routes([route('/api/@me', { stripPrefix: true })], ['/bff']);
    expect(addressOf(routes, '/api/%40me/photo')).toBe('http://upstream.test:3000/photo');
    expect(addressOf(routes, '/api/@me/%40me')).toBe('http://upstream.test:3000/%40me');
  });

  const bases = ['http://upstream.test:3000', 'http://upstream.test:3000/v1'];
  const shapes = [
    '/api/orders@evil.test',
    '/api/@evil.test',
    '/api@evil.test',
    '/api/orders:80@evil.test',
    '/api/:80@evil.test',
    '/api/.evil.test',
    '/api/%40evil.test',
    '/api?@evil.test',
    '/api/x?@evil.test/',
    '/api/http:evil.test',
    '/api/evil.test:443',
    '/@evil.test/api',
    '/:80@evil.test/api',
    '/.evil.test',
  ];
  it.each(
    bases.flatMap((base) =>
      shapes.flatMap((target) => [true, false].map((strip) => [target, base, strip] as const)),
    ),
  )('for %s below %s (strip: %s) is at the upstream', (target, base, stripPrefix) => {
    const routes = new Routes(
      [route('/api', { upstream: [base], stripPrefix }), route('/', { upstream: [base] })],
      ['/bff'],
    );
    const address = addressOf(routes, target) ?? '';
    expect(new URL(address).host).toBe('upstream.test:3000');
    expect(new URL(address).href.startsWith(base)).toBe(true);
  });
});
