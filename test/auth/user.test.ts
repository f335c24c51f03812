import { claimRecords, userObject } from '../../src/auth/account/user.ts';
import type { Session } from '../../src/session/sessions/session.ts';

const hour = 3_600_000;
const session: Session = {
  id: 'public-id',
  provider: 'corp',
  issuer: 'https://login.example.com',
  clientId: 'spa',
  begunAt: 0,
  sub: 'alice',
  claims: {
    sub: 'alice',
    name: 'Alice',
    groups: ['a', 'b'],
    address: { country: 'AT' },
    verified: true,
    none: null,
  },
  tokens: {
    accessToken: 'canary-access',
    obtainedAt: 0,
    refreshToken: 'canary-refresh',
    idToken: 'canary-id',
  },
  createdAt: 0,
  expiresAt: 8 * hour,
  sid: 'canary-sid',
};
const view = { session, idleExpiresAt: hour / 2, now: 900, logoutUrl: '/bff/logout?sid=public-id' };

describe('the user as an object', () => {
  it('has exactly the promised members', () => {
    expect(userObject(view)).toEqual({
      sub: 'alice',
      provider: 'corp',
      claims: session.claims,
      session: {
        id: 'public-id',
        createdAt: '1970-01-01T00:00:00.000Z',
        expiresAt: '1970-01-01T08:00:00.000Z',
        idleExpiresAt: '1970-01-01T00:30:00.000Z',
        expiresIn: 1799,
      },
      logoutUrl: '/bff/logout?sid=public-id',
    });
  });

  it.each([
    ['the idle end is nearer', hour / 2, 0, 1800],
    ['the absolute end is nearer', 9 * hour, 7 * hour, 3600],
    ['both are over', 0, hour, 0],
    ['less than a second is left', 999, 0, 0],
  ])('counts whole seconds to the nearer end when %s', (_, idleExpiresAt, now, expiresIn) => {
    expect(userObject({ ...view, idleExpiresAt, now }).session.expiresIn).toBe(expiresIn);
  });

  it('has no token and no sid in it, in either format', () => {
    expect(JSON.stringify([userObject(view), claimRecords(view)])).not.toContain('canary');
  });
});

describe('the user as an array of claims', () => {
  it('has a record for every value of a claim, and ours at the end', () => {
    expect(claimRecords(view)).toEqual([
      { type: 'sub', value: 'alice', valueType: null },
      { type: 'name', value: 'Alice', valueType: null },
      { type: 'groups', value: 'a', valueType: null },
      { type: 'groups', value: 'b', valueType: null },
      { type: 'address', value: '{"country":"AT"}', valueType: 'json' },
      { type: 'verified', value: true, valueType: null },
      { type: 'none', value: null, valueType: null },
      { type: 'bff:logout_url', value: '/bff/logout?sid=public-id', valueType: null },
      { type: 'bff:session_expires_in', value: 1799, valueType: null },
    ]);
  });

  it('has the session state only where the provider sent one', () => {
    const withState = { ...view, session: { ...session, sessionState: 'state' } };
    expect(claimRecords(withState).at(-1)).toEqual({
      type: 'bff:session_state',
      value: 'state',
      valueType: null,
    });
  });
});
