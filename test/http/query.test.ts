import type { Request } from 'express';
import { limitedQueryOf, parameter, queryOf } from '../../src/http/query.ts';

const parse = (originalUrl: string) => queryOf({ originalUrl } as Request);

describe('the query of a request', () => {
  it.each([
    ['/bff/login', undefined],
    ['/bff/login?', undefined],
    ['/bff/login?a', ''],
    ['/bff/login?a=', ''],
    ['/bff/login?a=1', '1'],
    ['/bff/login?a=1?b=2', '1?b=2'],
    ['/bff/login?b=2&a=x%20y+z', 'x y z'],
    ['/bff/login?%61=1', '1'],
  ])('of %s has %j for a', (url, value) => {
    expect(parameter(parse(url), 'a')).toBe(value);
  });

  it.each([
    '?a=1&a=2',
    '?a=1&a=1',
    '?a&a',
    '?a=1&%61=2',
    '?a[]=1',
    '?a[0]=1',
    '?a[b]=1',
    '?a[=1',
    '?a=%00',
    '?a=%7f',
    '?a=%0d%0a',
  ])('is refused as %s', (query) => {
    expect(() => parameter(parse(`/bff/login${query}`), 'a')).toThrow(
      expect.objectContaining({ code: 'invalid_request' }),
    );
  });

  it('of the protocol may have 64 parameters and not one more', () => {
    const read = (count: number) => {
      const query = Array.from({ length: count }, (_, n) => `p${n}=1`).join('&');
      return limitedQueryOf({ originalUrl: `/bff/callback?${query}` } as Request).size;
    };
    expect(read(64)).toBe(64);
    for (const count of [65, 4000])
      expect(() => read(count)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('is read once, however many parameters are requested (work for each name)', () => {
    const url = `/bff/login?${Array.from({ length: 512 }, (_, n) => `${n.toString(36)}`).join('&')}`;
    const names = Array.from({ length: 200 }, (_, n) => `name ${n}`);
    const before = process.cpuUsage();
    const query = parse(url);
    expect(names.map((name) => parameter(query, name)).filter(Boolean)).toEqual([]);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(20);
  });

  it('is not refused for what others repeat', () => {
    expect(parameter(parse('/bff/login?utm=1&utm=2&aa[]=1&a=x'), 'a')).toBe('x');
  });
});

it('a query of more than 512 parameters is refused before any is decoded', () => {
  const request = (count: number) => ({ originalUrl: `/bff/login?${'%FF&'.repeat(count)}` });
  expect(() => queryOf(request(512) as never)).not.toThrow();
  expect(() => queryOf(request(513) as never)).toThrow(
    expect.objectContaining({ code: 'invalid_request' }),
  );
});
