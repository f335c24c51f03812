import { ClientHandlesService } from '../../../src/session/clients/client-handles.service.ts';
import { Sealing } from '../../../src/session/store/sealing.ts';

const secret = (n: number) => `session secret number ${n}, long enough to be one`;

let now = 1_000_000;
const handlesOf = (...secrets: string[]) =>
  new ClientHandlesService(new Sealing(secrets), () => now);
const handles = handlesOf(secret(1));
const handle = {
  sessionId: 'session',
  clientId: 'cli',
  scopes: ['orders'],
  expiresAt: 1_600_000,
  keyThumbprint: 'thumbprint',
};

beforeEach(() => {
  now = 1_000_000;
});

describe('a handle of a session', () => {
  it('is read with everything that it was issued with, and shows nothing of it', () => {
    const token = handles.issue(handle);
    expect(handles.read(token)).toEqual(handle);
    expect(token).toMatch(/^pxb_[\w-]+$/);
    expect(Buffer.from(token.slice(4), 'base64url').includes('session')).toBe(false);
  });

  it('is over when it expires', () => {
    const token = handles.issue(handle);
    now = handle.expiresAt - 1;
    expect(handles.read(token)).toEqual(handle);
    now = handle.expiresAt;
    expect(handles.read(token)).toBeUndefined();
  });

  it('survives the rotation of the session secrets, and not their removal', () => {
    const token = handles.issue(handle);
    expect(handlesOf(secret(2), secret(1)).read(token)).toEqual(handle);
    expect(handlesOf(secret(2)).read(token)).toBeUndefined();
  });

  it.each(['', 'pxb_', 'pxb_AAAA', 'eyJhbGciOiJub25lIn0.e30.', `pxb_${'A'.repeat(300)}`])(
    'is not %j',
    (token) => {
      expect(handles.read(token)).toBeUndefined();
    },
  );

  it('is no sealed record of a session', () => {
    const sealing = new Sealing([secret(1)]);
    const record = sealing.seal(JSON.stringify(handle), 'session:{session}');
    expect(handles.read(`pxb_${record}`)).toBeUndefined();
  });
});
