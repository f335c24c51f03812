import { signedCookieValue } from '../../src/session/cookies.ts';
import { KnownCookies } from '../../src/session/known-cookies.ts';

const secrets = ['a secret that signs cookies, long enough'];

function cookieOf(secret: string): string {
  return `bff=${encodeURIComponent(signedCookieValue(secret, secrets))}`;
}

/** The same with one character of it changed. */
function changed(cookie: string, index: number): string {
  const other = cookie.at(index) === 'a' ? 'b' : 'a';
  return cookie.slice(0, index) + other + cookie.slice(index).slice(1);
}

describe('a session cookie that was verified before', () => {
  const genuine = cookieOf('S'.repeat(43));
  let cookies: KnownCookies;
  let id: string | undefined;

  beforeEach(() => {
    cookies = new KnownCookies('bff', secrets);
    id = cookies.idIn(genuine);
  });

  it('is known again, to its id', () => {
    expect(id).toEqual(expect.any(String));
    expect(cookies.idIn(genuine)).toBe(id);
    expect(cookies.idIn(`theme=dark; ${genuine}; a=1`)).toBe(id);
  });

  it('does not vouch for another that begins like it', () => {
    // `%3a` is another spelling of the same.
    const start = 'bff=s%3A'.length;
    const positions = Array.from({ length: genuine.length - start }, (_, index) => start + index);
    for (const position of positions) {
      expect(cookies.idIn(changed(genuine, position))).toBeUndefined();
    }
  });

  it('does not vouch for a shorter or a longer one, and is known after them', () => {
    expect(cookies.idIn(genuine.slice(0, -1))).toBeUndefined();
    expect(cookies.idIn(`${genuine}a`)).toBeUndefined();
    expect(cookies.idIn('bff=')).toBeUndefined();
    expect(cookies.idIn(genuine)).toBe(id);
  });

  it('is not taken for another session whose cookie begins like it', () => {
    const other = cookieOf(`${'S'.repeat(42)}T`);
    const otherId = cookies.idIn(other);
    expect(otherId).toEqual(expect.any(String));
    expect(otherId).not.toBe(id);
    expect([cookies.idIn(genuine), cookies.idIn(other)]).toEqual([id, otherId]);
  });
});
