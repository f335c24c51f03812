import { array, assert, constantFrom, oneof, property, record, string } from 'fast-check';
import type { RouteOptions } from '../../src/config/options.ts';
import { BffError } from '../../src/errors.ts';
import { canonicalTarget } from '../../src/proxy/path.ts';
import { Routes, upstreamPath } from '../../src/proxy/routes.ts';
import { route } from '../support/bff/route.ts';

const configured = [
  route({ path: '/api' }),
  route({ path: '/api/orders', rewrite: '/v2/orders' }),
  route({ path: '/api/@me', stripPrefix: true }),
  route({ path: '/reports', rewrite: '/' }),
  route({ path: '/a/b/c', rewrite: '/x' }),
];
const routes = new Routes(configured, ['/bff']);

const segments =
  'api apix orders %61pi API @me %40me reports a b c bff login .. . ..; %2e%2e %252e %2f %5c \\ x.y ;v=1 %20 %00 ~ %7e'
    .split(' ')
    .concat('', ' ');
const segment = oneof(
  { weight: 6, arbitrary: constantFrom(...segments) },
  string({ unit: 'binary', maxLength: 3 }),
);
const target = record({
  prefix: constantFrom('', '/api', '/api/orders', '/api/@me', '/%61pi/%40me', '/reports', '/a/b/c'),
  path: array(segment, { minLength: 1, maxLength: 5 }),
  query: oneof(constantFrom('', '?', '?/api', '?x=/../admin', '#/api'), string({ maxLength: 5 })),
}).map(({ prefix, path, query }) => `${prefix}/${path.join('/')}${query}`);

/** What the upstream of a route is asked for. Absent: nothing is asked. */
function requestFrom(
  text: string,
): { options: RouteOptions; sent: string; path: string } | undefined {
  try {
    const { path, query } = canonicalTarget(text);
    const options = routes.match(path);
    return options && { options, path, sent: upstreamPath(options, '/base', path) + query };
  } catch (error) {
    if (error instanceof BffError && error.code === 'bad_path') return undefined;
    throw error;
  }
}

/** Where everything a route sends must be, as the upstream may read it. */
function innermost({ path, stripPrefix, rewrite }: RouteOptions): string {
  const front = rewrite ?? (stripPrefix ? '/' : path);
  return front === '/' ? '/base' : `/base${front}`;
}

/** As a server resolves it: decoded, dot segments and doubled slashes gone. */
function resolved(sent: string): string {
  const [path = ''] = sent.split('?', 1);
  const decoded = decodeURIComponent(path)
    .replaceAll('\\', '/')
    .replaceAll(/;[^/]*/g, '');
  return new URL(`http://u${decoded.replaceAll('?', '%3F').replaceAll('#', '%23')}`).pathname;
}

describe('every path that a client requests', () => {
  it('reaches the upstream inside its route, or not at all', () => {
    let reached = 0;
    assert(
      property(target, (text) => {
        const request = requestFrom(text);
        if (!request) return;
        reached += 1;
        const inside = innermost(request.options);
        const found = decodeURIComponent(resolved(request.sent));
        expect(found === inside || found.startsWith(`${inside}/`)).toBe(true);
      }),
      { numRuns: 8_000 },
    );
    expect(reached).toBeGreaterThan(500);
  });

  it('belongs to a route by whole segments only, and never to our own endpoints', () => {
    assert(
      property(target, (text) => {
        const request = requestFrom(text);
        if (!request) return;
        const meaning = decodeURIComponent(request.path).split('/');
        const prefix = request.options.path.split('/');
        expect(meaning.slice(0, prefix.length)).toEqual(prefix);
        expect(meaning[1]).not.toBe('bff');
      }),
      { numRuns: 8_000 },
    );
  });

  it('is matched without a look at its query', () => {
    assert(
      property(target, string({ maxLength: 20 }), (text, query) => {
        const [path = ''] = text.split(/[?#]/, 1);
        const plain = requestFrom(path);
        const withQuery = requestFrom(`${path}?${query}`);
        expect(withQuery?.options ?? plain?.options).toBe(plain?.options);
      }),
    );
  });
});
