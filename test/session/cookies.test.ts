import {
  cookieFilter,
  cookieNames,
  cookieValues,
  sessionCookieAttributes,
} from '../../src/session/cookie/cookies.ts';
import { SignedCookie } from '../../src/session/cookie/signed-cookie.ts';

const [newest, older] = ['the newest secret of the ring', 'an older secret of the ring'];
const [value, other] = ['v'.repeat(43), 'o'.repeat(43)];
const signed = new SignedCookie('bff', [newest]).sign(value);
const encoded = encodeURIComponent(signed);
const otherSigned = new SignedCookie('bff', [newest]).sign(other);
const names = ['__Host-Http-bff', '__Host-Http-bff-login'];

describe('cookie names', () => {
  it.each([
    ['https://app.example.com', 'bff', '__Host-Http-bff', '__Host-Http-bff-login'],
    ['https://localhost:8443', 'shop', '__Host-Http-shop', '__Host-Http-shop-login'],
    ['http://localhost:8080', 'bff', 'bff', 'bff-login'],
    ['http://127.0.0.1:8080', 'shop', 'shop', 'shop-login'],
  ])('at %s with %s are %s and %s', (publicUrl, cookieName, session, login) => {
    expect(cookieNames(publicUrl, cookieName)).toEqual({ session, login });
  });
});

describe('the session cookie', () => {
  const session = { sameSite: 'strict', persistent: false, absolute: 8000 } as never;

  it('is HttpOnly, strict, for the whole host, and ends with the browser', () => {
    expect(sessionCookieAttributes('https://app.example.com', session)).toEqual({
      httpOnly: true,
      secure: true,
      path: '/',
      sameSite: 'strict',
    });
  });

  it('is without Secure only where there is no https', () => {
    expect(sessionCookieAttributes('http://localhost:1', session).secure).toBe(false);
  });

  it('outlives the browser only when it is persistent', () => {
    const persistent = { sameSite: 'lax', persistent: true, absolute: 8000 } as never;
    expect(sessionCookieAttributes('https://app.example.com', persistent)).toMatchObject({
      maxAge: 8000,
      sameSite: 'lax',
    });
  });
});

const read = (header: string | undefined, secrets = [newest]) =>
  new SignedCookie('bff', secrets).read(header);

describe('a signed cookie', () => {
  it.each([
    `bff=${encoded}`,
    `bff=${signed}`,
    `bff="${encoded}"`,
    `  bff = ${encoded} ; other=1`,
    `other=1;bff=${encoded}`,
    `xbff=1; bffx=2; BFF=3; bff=${encoded}`,
    `bff=${encoded}; bff=${encoded}`,
    `bff=${encoded}; bff="${signed}"`,
    `bff=planted; bff=${encoded}`,
    `bff=${encoded}; bff=`,
    `bff=s%3A${value}.planted; bff=${encoded}; bff=${'x'.repeat(2000)}`,
  ])('is read from %s', (header) => {
    expect(read(header)).toBe(value);
  });

  it('is accepted with every secret of the ring and signed with the newest', () => {
    const old = new SignedCookie('bff', [older]).sign(value);
    expect(read(`bff=${old}`, [newest, older])).toBe(value);
    expect(read(`bff=${old}`, [newest])).toBeUndefined();
    const both = new SignedCookie('bff', [newest, older]).sign(value);
    expect(read(`bff=${both}`, [newest])).toBe(value);
  });

  it.each([
    ['no header', undefined],
    ['no such cookie', 'other=1'],
    ['an empty value', 'bff='],
    ['no value', 'bff'],
    ['no signature', `bff=s%3A${value}`],
    ['an empty signature', `bff=s%3A${value}.`],
    ['another value under the signature', `bff=${encoded.replace(value, other)}`],
    ['another letter in the signature', `bff=${encoded.slice(0, -1)}_`],
    ['no s: in front', `bff=${encodeURIComponent(signed.slice(2))}`],
    ['another case of the name', `BFF=${encoded}`],
    ['an encoded name', `%62ff=${encoded}`],
    ['a broken encoding', `bff=${encoded}%`],
    [
      'a signature made for another name',
      `bff=${new SignedCookie('bff-login', [newest]).sign(value)}`,
    ],
    ['two of them with different valid values', `bff=${encoded}; bff=${otherSigned}`],
    [
      'a signature of a secret that is not in the list',
      `bff=${new SignedCookie('bff', [older]).sign(value)}`,
    ],
    ['a no-break space before the name', `\u00a0bff=${encoded}`],
    ['a no-break space after the name', `bff\u00a0=${encoded}`],
    ['a vertical tab before the name', `\u000bbff=${encoded}`],
    ['a byte order mark before the name', `\ufeffbff=${encoded}`],
    ['a no-break space before the value', `bff=\u00a0${encoded}`],
  ])('is not read when there is %s', (_, header) => {
    expect(read(header)).toBeUndefined();
  });

  it('cannot be made without a secret', () => {
    expect(() => new SignedCookie('bff', [])).toThrow('needs a secret');
  });
});

describe('cookieValues', () => {
  it('gives the values of a name in order', () => {
    expect(cookieValues('a=1; b=2; a=3; a; aa=4; a=1; a=', 'a')).toEqual(['1', '3', '1', '']);
    expect(cookieValues('', 'a')).toEqual([]);
  });
});

describe('cookieFilter', () => {
  const ours = '__Host-Http-bff';
  it.each([
    ['nothing', undefined, undefined],
    ['only ours', `${ours}=1`, undefined],
    ['ours among others', `a=1; ${ours}=x; b=2`, 'a=1; b=2'],
    ['both of ours', `a=1; ${ours}=x; ${ours}-login=y`, 'a=1'],
    ['ours several times', `${ours}=1; a=1; ${ours}=2`, 'a=1'],
    ['another case', `__HOST-HTTP-BFF=1; a=1`, 'a=1'],
    ['blanks and tabs around the name', `\t${ours}\t =1; a=1`, 'a=1'],
    ['no value', `${ours}; a=1`, 'a=1'],
    ['a no-break space in front', `\u00a0${ours}=1; a=1`, 'a=1'],
    ['an en quad in front', `\u2000${ours}=1; a=1`, 'a=1'],
    ['a zero byte in the name', `__Host-\u0000Http-bff=1; a=1`, 'a=1'],
    ['quotes around the name', `"${ours}"=1; a=1`, 'a=1'],
    [
      'a cookie of another host that looks like one of the API',
      `\u00a0id=1; a=1`,
      `\u00a0id=1; a=1`,
    ],
    ['a quoted value with a semicolon', `a="${ours}=1; x"; b=2`, 'a="__Host-Http-bff=1; x"; b=2'],
    ['names that only begin or end like ours', `${ours}2=1; x${ours}=2`, `${ours}2=1; x${ours}=2`],
    ['others that look odd', `a=b=c; =x; ; d`, 'a=b=c; =x; d'],
    ['an equals sign in front', `=${ours}=1; a=1`, 'a=1'],
    ['equals signs and blanks in front', `= \t=${ours}=1; a=1`, 'a=1'],
    ['an index behind the name, as PHP reads it', `${ours}[0]=1; ${ours}[]=2; a[0]=1`, 'a[0]=1'],
    ['white space of another kind behind equals signs', `=\t\r=\u000b${ours}=1; a=1`, 'a=1'],
    ['a letter that grows when it is folded', `\u0130${ours}=1; ${ours}\u0130>=1; a=1`, 'a=1'],
    ['a percent-encoded name', `__Host-Http-b%66f=1; a%66=1`, 'a%66=1'],
    ['other octets behind the name', `${ours},x=1; ${ours}:0=1; ${ours}\u00e9x=1; a=1`, 'a=1'],
    ['the old $Version form', `$Version=1; ${ours}=1; $Path=/`, '$Version=1; $Path=/'],
  ])('of a header with %s', (_, header, left) => {
    expect(cookieFilter(names)(header)).toBe(left);
  });

  it('takes no time for thousands of names that have to be looked at closely', () => {
    const filter = cookieFilter(names);
    const header = '%41ccccccccccccccc=;'.repeat(800) + '%;'.repeat(8000);
    filter(header);
    const before = process.cpuUsage();
    filter(header);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(20);
  });
});
