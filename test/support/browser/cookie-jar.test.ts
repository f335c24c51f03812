import { CookieJar, siteOf, type RequestContext } from './cookie-jar.ts';

const http = new URL('http://localhost:3000/');
const https = new URL('https://localhost:3000/');
const here: RequestContext = { sameSite: true, topLevel: 'safe' };
const link: RequestContext = { sameSite: false, topLevel: 'safe' };
const formPost: RequestContext = { sameSite: false, topLevel: 'unsafe' };
const script: RequestContext = { sameSite: false, topLevel: 'no' };

function jarWith(line: string, url = https, now?: () => number): CookieJar {
  const jar = new CookieJar(now);
  jar.store(line, url, here);
  return jar;
}

describe('which requests a cookie travels with', () => {
  it.each([
    ['Strict', [true, false, false, false]],
    ['Lax', [true, true, false, false]],
    ['None; Secure', [true, true, true, true]],
  ] as const)('SameSite=%s', (sameSite, expected) => {
    const jar = jarWith(`a=1; Path=/; SameSite=${sameSite}`);
    const travels = [here, link, formPost, script].map((context) => jar.header(https, context));
    expect(travels).toEqual(expected.map((does) => (does ? 'a=1' : '')));
  });

  it('is Lax when it does not say', () => {
    const jar = jarWith('a=1');
    expect([jar.header(https, link), jar.header(https, formPost)]).toEqual(['a=1', '']);
  });

  it.each([
    ['http://localhost:3000/', 'http://localhost:9999/', 'a=1'],
    ['http://localhost:3000/', 'http://127.0.0.1:3000/', ''],
    ['http://localhost:3000/', 'http://other.localhost:3000/', ''],
  ])('one set by %s to %s is %j', (from, to, header) => {
    expect(jarWith('a=1; Path=/', new URL(from)).header(new URL(to), here)).toBe(header);
  });

  it.each([
    ['/app', '/app', 'a=1'],
    ['/app', '/app/x', 'a=1'],
    ['/app', '/apple', ''],
    ['/app/', '/app/x', 'a=1'],
    ['/', '/anything', 'a=1'],
  ])('Path=%s and %s is %j', (path, target, header) => {
    const jar = jarWith(`a=1; Path=${path}`);
    expect(jar.header(new URL(target, https), here)).toBe(header);
  });

  it('ends with Max-Age, which wins over Expires', () => {
    let now = 1_000_000;
    const far = 'Expires=Fri, 01 Jan 2100 00:00:00 GMT';
    const jar = jarWith(`a=1; Max-Age=600; ${far}`, https, () => now);
    now += 599_000;
    expect(jar.header(https, here)).toBe('a=1');
    now += 1_000;
    expect(jar.header(https, here)).toBe('');
  });
});

describe('which cookies are taken', () => {
  it.each([
    ['__Host-Http-a=1; Secure; HttpOnly; Path=/; SameSite=Strict', true],
    ['__Host-Http-a=1; Secure; Path=/', false],
    ['__Host-Http-a=1; HttpOnly; Path=/', false],
    ['__Host-Http-a=1; Secure; HttpOnly', false],
    ['__Host-Http-a=1; Secure; HttpOnly; Path=/bff', false],
    ['__Host-Http-a=1; Secure; HttpOnly; Path=/; Domain=localhost', false],
    ['__host-a=1; Path=/', false],
    ['__Host-a=1; Secure; Path=/', true],
    ['__Secure-a=1', false],
    ['__Http-a=1; Secure', false],
    ['a=1; SameSite=None', false],
    ['a=1; Domain=example.com', false],
    [`a=${'x'.repeat(4096)}`, false],
  ])('https: %.60s is %s', (line, isTaken) => {
    expect(jarWith(line, https).all(https).length === 1).toBe(isTaken);
  });

  it.each([
    ['a=1; Secure', 'http://localhost:3000/', true],
    ['a=1; Secure', 'http://app.example/', false],
    ['__Host-Http-a=1; Secure; HttpOnly; Path=/', 'http://localhost:3000/', false],
  ])('http: %s from %s is %s', (line, from, isTaken) => {
    const url = new URL(from);
    expect(jarWith(line, url).all(url).length === 1).toBe(isTaken);
  });

  it('replaces one of the same name, host and path, and deletes it when the new one has expired', () => {
    const jar = jarWith('a=1; Path=/');
    jar.store('a=2; Path=/', https, here);
    expect(jar.header(https, here)).toBe('a=2');
    jar.store('a=; Path=/other; Max-Age=0', https, here);
    expect(jar.header(https, here)).toBe('a=2');
    jar.store('a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT', https, here);
    expect(jar.all(https)).toEqual([]);
  });

  it('lets a cross-site page load set Strict ones, but no cross-site script', () => {
    const jar = new CookieJar();
    jar.store('a=1; SameSite=Strict', http, script);
    expect(jar.all(http)).toEqual([]);
    jar.store('a=1; SameSite=Strict', http, formPost);
    expect(jar.all(http)).toHaveLength(1);
  });

  it('keeps what closing the browser keeps', () => {
    const jar = jarWith('a=1');
    jar.store('b=1; Max-Age=60', https, here);
    jar.endBrowserSession();
    expect(jar.header(https, here)).toBe('b=1');
  });
});

it.each([
  ['http://localhost:1', 'http://localhost:2', true],
  ['http://localhost:1', 'https://localhost:1', false],
  ['http://localhost:1', 'http://127.0.0.1:1', false],
  ['http://127.0.0.1', 'http://1.0.0.1', false],
  ['https://a.example.com', 'https://b.example.com', true],
])('%s and %s are one site: %s', (one, other, same) => {
  expect(siteOf(new URL(one)) === siteOf(new URL(other))).toBe(same);
});
