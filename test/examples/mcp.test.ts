import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { freePort } from '../support/network/ports.ts';

const fileOf = (name: string) =>
  fileURLToPath(new URL(`../../examples/mcp/${name}`, import.meta.url));

let bff: TestBff;
let server: ChildProcessWithoutNullStreams;
beforeAll(async () => {
  const port = await freePort();
  server = spawn(process.execPath, [fileOf('server.ts')], { env: { PORT: String(port) } });
  await once(server.stdout, 'data');
  bff = await startBff({
    authorizationServer: { people: { alice: { name: 'Alice' } } },
    routes: (usual) => [
      {
        ...usual,
        path: '/mcp',
        upstream: `http://127.0.0.1:${port}`,
        clients: ['bearer'],
        scopes: ['mcp:tools'],
        headers: { set: { 'X-User': '${claims.name}' } },
      },
    ],
    ownAuthorizationServer: {
      clients: [
        { id: 'agent', name: 'Example agent', redirectUris: ['http://127.0.0.1/callback'] },
      ],
    },
  });
});
afterAll(async () => {
  server.kill();
  await bff.close();
});

describe('the example of an MCP client on the official SDK', () => {
  it('discovers the authorization server, signs in with PKCE, and calls a tool', async () => {
    const environment = { PATH: '', MCP_URL: `${bff.url}/mcp` };
    const client = spawn(process.execPath, [fileOf('client.ts'), 'Grace'], { env: environment });
    const output = text(client.stdout);
    let printed = '';
    let address = '';
    for await (const chunk of client.stderr) {
      printed += String(chunk);
      [, address = ''] = /Open (\S+) if/.exec(printed) ?? [];
      if (address) break;
    }
    const request = new URL(address).searchParams;
    expect(request.get('resource')).toBe(`${bff.url}/mcp`);
    expect(request.get('code_challenge_method')).toBe('S256');
    const browser = bff.browser();
    const consent = await browser.navigate(`${address}&login_hint=alice`);
    expect(consent.body).toContain('Example agent');
    await browser.submit(consent, { decision: 'allow' });
    expect(await output).toContain('Hello Grace, says Alice.');
  });
});
