import { clientSecretBasic } from '../../src/oauth/client/client-secret-basic.ts';

describe('client_secret_basic', () => {
  it.each([
    [
      'leaves what a form leaves, for servers that decode nothing',
      'my-app_1.x*',
      'a-secret_1.x*',
      'my-app_1.x*',
      'a-secret_1.x*',
    ],
    ['hides the colon between the two', 'a:b', 'c:d', 'a%3Ab', 'c%3Ad'],
    ['escapes what a form escapes', 'a b', "+%/='~é", 'a+b', '%2B%25%2F%3D%27%7E%C3%A9'],
  ])('%s', async (_, clientId, secret, sentId, sentSecret) => {
    const [headers, body] = [new Headers(), new URLSearchParams()];
    await clientSecretBasic(secret)(
      { issuer: 'https://login.example' },
      { client_id: clientId },
      body,
      headers,
    );
    const [scheme, credentials = ''] = headers.get('authorization')?.split(' ') ?? [];
    expect([scheme, atob(credentials)]).toEqual(['Basic', `${sentId}:${sentSecret}`]);
    expect([...body]).toEqual([]);
  });
});
