import { parseOptions } from '../../src/config/load.ts';
import { diagnoseProvider } from '../../src/oauth/provider/diagnosis.ts';
import { probeProvider } from '../../src/oauth/provider/probe.ts';
import { Provider } from '../../src/oauth/provider/provider.ts';
import { respondWith, hangUp } from '../support/upstream/responses.ts';
import { FakeDiscord } from '../support/non-oidc/fake-discord.ts';
import { discordAt } from '../support/non-oidc/providers.ts';

const tokenPath = '/api/oauth2/token';

describe('a provider without discovery', () => {
  let discord: FakeDiscord;
  let provider: Provider;
  beforeAll(async () => {
    discord = await new FakeDiscord().start();
    const { providers } = parseOptions({
      publicUrl: 'http://localhost:8080',
      session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
      providers: [discordAt(discord)],
    });
    provider = new Provider(providers[0] as Provider['options']);
  });
  afterAll(() => discord.stop());
  beforeEach(() => {
    discord.overrides.clear();
    discord.requests.length = 0;
  });

  const probe = () => probeProvider(provider, AbortSignal.timeout(2000));

  it('is known from the configuration alone, without a request', async () => {
    const metadata = (await provider.configuration()).serverMetadata();
    expect(metadata).toMatchObject({
      issuer: discord.url,
      token_endpoint: discord.url + tokenPath,
      revocation_endpoint: `${discord.url}${tokenPath}/revoke`,
    });
    expect(discord.requests).toEqual([]);
  });

  it('has no keys', async () => {
    await expect(provider.keys()).rejects.toMatchObject({ code: 'provider_unavailable' });
  });

  it.each([
    ['what it usually says to that', undefined],
    ['a page', respondWith(404, '<!doctype html>')],
    ['a redirect', respondWith(302, undefined, { location: 'https://elsewhere.example/' })],
    ['that there were too many requests', respondWith(429)],
  ])('is available when it responds in any way: %s', async (_, handler) => {
    if (handler) discord.overrides.set(tokenPath, handler);
    await expect(probe()).resolves.toBeUndefined();
    await expect(diagnoseProvider(provider)).resolves.toEqual([]);
    expect(discord.requests.map(({ method, body }) => [method, body.length])).toEqual([
      ['HEAD', 0],
      ['HEAD', 0],
    ]);
  });

  it.each([
    ['fails', respondWith(500)],
    ['hangs up', hangUp()],
  ])('is not there when it %s', async (_, handler) => {
    discord.overrides.set(tokenPath, handler);
    await expect(probe()).rejects.toMatchObject({ code: 'provider_unavailable' });
    await expect(diagnoseProvider(provider)).rejects.toMatchObject({
      code: 'provider_unavailable',
    });
  });
});
