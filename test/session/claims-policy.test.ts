import { UnsecuredJWT } from 'jose';
import type { ClaimSources } from '../../src/oauth/login/claims.ts';
import { ClaimsPolicy, type ClaimsPolicyParts } from '../../src/session/claims/claims-policy.ts';

const signedIn = { sub: 'alice', acr: 'mfa', auth_time: 1 };

/** The claims of an account after a refresh that brought this ID token. */
function after(
  idToken: object,
  sources: ClaimSources | undefined,
  claims: object = signedIn,
  parts: ClaimsPolicyParts = {},
) {
  const encoded = new UnsecuredJWT({ iss: 'i', aud: 'a', ...signedIn, ...idToken }).encode();
  const tokens = { accessToken: 'x', obtainedAt: 0, idToken: encoded };
  const account = { sub: 'alice', claims: { ...claims }, tokens, ...(sources && { sources }) };
  return new ClaimsPolicy(parts).withoutHook(account);
}

describe('the claims of an account', () => {
  it('are those of the ID token, then of UserInfo, unless UserInfo is newer', () => {
    const sources = { readAt: 0, userInfo: { team: 'u', locale: 'u' } };
    expect(after({ team: 't' }, sources)).toEqual({ ...signedIn, team: 't', locale: 'u' });
    expect(after({ team: 't' }, { ...sources, isUserInfoNewer: true })).toEqual({
      ...signedIn,
      team: 'u',
      locale: 'u',
    });
  });

  it('say of the sign-in what they said at the sign-in', () => {
    const others = { acr: 'pwd', auth_time: 9 };
    expect(after(others, { readAt: 0 })).toEqual(signedIn);
    expect(after(others, { readAt: 0 }, { sub: 'alice' })).toEqual({ sub: 'alice' });
    const userInfo = { ...others, sub: 'mallory' };
    expect(after({}, { readAt: 0, userInfo, isUserInfoNewer: true })).toEqual(signedIn);
  });

  it('of a record of an earlier release stay, unless the ID token has them', () => {
    const before = { ...signedIn, name: 'Alice', team: 'old' };
    expect(after({ team: 'new' }, undefined, before)).toEqual({ ...before, team: 'new' });
  });

  it('never vouch for an address by the flag of another', () => {
    const userInfo = { email: 'b@example.com' };
    const idToken = { email: 'a@example.com', email_verified: true };
    const sources = { readAt: 0, userInfo, isUserInfoNewer: true };
    for (const ruleClaims of [[], ['email', 'email_verified']])
      expect(after(idToken, sources, signedIn, { ruleClaims })).toEqual({
        ...signedIn,
        email: 'b@example.com',
      });
  });

  it('are those that are kept, also about the token if they are named', () => {
    expect(after({ team: 't' }, { readAt: 0 }, signedIn, { kept: ['team', 'iss', 'x'] })).toEqual({
      team: 't',
      iss: 'i',
    });
  });

  it('may be kept by their path', () => {
    const idToken = { realm_access: { roles: ['a'], other: 1 }, 'a.b': 1, a: { b: 2, c: 3 } };
    const kept = ['realm_access.roles', 'a.b', 'a.c', 'team.lead', '__proto__.x', 'sub.x'];
    const claims = after(idToken, { readAt: 0 }, signedIn, { kept });
    expect(claims).toEqual({ realm_access: { roles: ['a'] }, 'a.b': 1, a: { c: 3 } });
  });

  it('are sent to the hook whole, and kept after it', async () => {
    const seen: object[] = [];
    const policy = new ClaimsPolicy({
      kept: ['roles', 'iss'],
      hook: async ({ claims }) => {
        seen.push(claims);
        return { ...claims, roles: ['a'] };
      },
    });
    const idToken = new UnsecuredJWT({ iss: 'i', sub: 'alice', team: 't' }).encode();
    const tokens = { accessToken: 'x', obtainedAt: 0, idToken };
    const account = { sub: 'alice', claims: {}, tokens, sources: { readAt: 0 } };
    expect(await policy.resolve('sign_in', 'corp', account)).toEqual({ roles: ['a'], iss: 'i' });
    expect(seen).toEqual([{ sub: 'alice', team: 't' }]);
    expect(policy.stored({ department: 'x' })).toEqual({ department: 'x' });
  });
});
