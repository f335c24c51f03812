import { startBff } from './bff.ts';

describe('startBff', () => {
  it('signs a person in through the real authorization server and calls the upstream with a token', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn('bob');

    const user = (await (await browser.fetch('/bff/user')).json()) as Record<string, unknown>;
    const response = await browser.fetch('/api/things?x=1');

    expect(user['sub']).toBe('bob');
    expect(response.status).toBe(200);
    const token = bff.upstream.last.headers.authorization?.replace('Bearer ', '') ?? '';
    await expect(bff.authorizationServer.subjectOf(token)).resolves.toBe('bob');
    expect((await bff.redis.dump()).size).toBeGreaterThan(0);
    expect(bff.logs.lines.length).toBeGreaterThan(0);
  });

  it.each([{ https: true }, { store: 'memory' as const }])('also with %j', async (overrides) => {
    await using bff = await startBff(overrides);
    const browser = await bff.signedIn();
    expect((await browser.fetch('/bff/user')).status).toBe(200);
  });

  it('signs another person in, in the same browser', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn('alice');
    await bff.signedIn('bob', browser);
    const user = (await (await browser.fetch('/bff/user')).json()) as Record<string, unknown>;
    expect(user['sub']).toBe('bob');
  });

  it('starts a replica that knows the same sessions', async () => {
    await using bff = await startBff();
    const browser = await bff.signedIn();
    const replica = await bff.replica();
    browser.via(replica.port);
    await bff.stop();
    expect((await browser.fetch('/bff/user')).status).toBe(200);
  });
});
