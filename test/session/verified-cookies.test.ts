import { VerifiedCookies } from '../../src/session/cookie/verified-cookies.ts';
import { SignedCookie } from '../../src/session/cookie/signed-cookie.ts';

const signer = new SignedCookie('bff', ['a secret that signs cookies, long enough']);

function cookieOf(secret: string): string {
  return `bff=${encodeURIComponent(signer.sign(secret))}`;
}

/** The same with one character of it changed. */
function changed(cookie: string, index: number): string {
  const other = cookie.at(index) === 'a' ? 'b' : 'a';
  return cookie.slice(0, index) + other + cookie.slice(index).slice(1);
}

describe('a session cookie that was verified before', () => {
  const genuine = cookieOf('S'.repeat(43));
  let cookies: VerifiedCookies;
  let id: string | undefined;

  beforeEach(() => {
    cookies = new VerifiedCookies(signer);
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

  it('counts beside planted ones, whether it was seen before or not', () => {
    expect(cookies.idIn(`bff=planted; ${genuine}; bff=s%3Aplanted.too`)).toBe(id);
    expect(new VerifiedCookies(signer).idIn(`${genuine}; bff=planted; ${genuine}`)).toBe(id);
  });

  it('does not count beside another valid one, in either order', () => {
    const other = cookieOf('T'.repeat(43));
    expect(cookies.idIn(`${genuine}; ${other}`)).toBeUndefined();
    expect(cookies.idIn(`${other}; ${genuine}`)).toBeUndefined();
    expect(cookies.idIn(other)).toEqual(expect.any(String));
  });
});
