import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { CompactEncrypt } from 'jose';
import { idTokenDecrypter } from '../../src/oauth/login/encrypted-id-token.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** What becomes of a token endpoint's answer. */
async function read(body: string, keys: readonly KeyObject[] = [other.privateKey, privateKey]) {
  const response = { status: 200, headers: new Headers(), body };
  const reader = idTokenDecrypter(async () => keys);
  return (await reader('https://login.example.com/token', response)).body;
}

function encrypted(alg = 'RSA-OAEP', key: KeyObject | Uint8Array = publicKey): Promise<string> {
  return new CompactEncrypt(Buffer.from('what.is.inside'))
    .setProtectedHeader({ alg, enc: 'A128GCM' })
    .encrypt(key);
}

const withToken = (idToken: unknown) =>
  JSON.stringify({ access_token: 'a', id_token: idToken, token_type: 'Bearer' });

it('is what was in it, whichever of the keys it was encrypted for', async () => {
  expect(await read(withToken(await encrypted()))).toBe(withToken('what.is.inside'));
  const forOther = await encrypted('ECDH-ES', other.publicKey);
  expect(await read(withToken(forOther))).toBe(withToken('what.is.inside'));
});

it.each<[string, () => unknown]>([
  ['signed alone', () => 'a.b.c'],
  ['for a key we do not have', () => encrypted('ECDH-ES', generate())],
  ['with a secret', () => encrypted('dir', randomBytes(16))],
  ['with a password', () => encrypted('PBES2-HS256+A128KW', Buffer.from('secret'))],
  ['no token but has five parts', () => 'a.b.c.d.e'],
  ['longer than any', async () => `${await encrypted()}${'A'.repeat(70_000)}`],
  ['no text', () => 5],
])('stays as it is when it is %s', async (_, make) => {
  const body = withToken(await make());
  expect(await read(body)).toBe(body);
});

it.each(['', 'null', '[]', '{"id_token"', '{"access_token":"a"}'])(
  'is looked for in responses that have one: %j',
  async (body) => {
    expect(await read(body)).toBe(body);
  },
);

function generate(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
}
