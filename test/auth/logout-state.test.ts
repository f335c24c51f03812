import { LogoutState } from '../../src/auth/logout/logout-state.ts';
import { Sealing } from '../../src/session/store/sealing.ts';

const sealing = new Sealing(['a session secret for tests, long enough']);
const state = new LogoutState(sealing);

describe('the state of a logout', () => {
  it('is the return URL, and shows nothing of it', () => {
    const sealed = state.seal('/there?x=canary');
    expect(sealed).toMatch(/^[\w-]+$/);
    expect(Buffer.from(sealed, 'base64url').includes('canary')).toBe(false);
    expect(state.open(sealed)).toBe('/there?x=canary');
  });

  it.each([
    ['nothing', ''],
    ['a return URL in the clear', '/there'],
    ['another address', 'https://evil.example'],
    ['something we sealed for another purpose', sealing.seal('https://evil.example', 'session:1')],
    [
      'what another key sealed',
      new LogoutState(new Sealing(['another secret, also long enough'])).seal('//evil.example'),
    ],
  ])('cannot be forged with %s', (_, forged) => {
    expect(state.open(forged)).toBeUndefined();
  });
});
