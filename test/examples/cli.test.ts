import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { startBff, type TestBff } from '../support/bff/bff.ts';

const program = fileURLToPath(new URL('../../examples/cli/main.ts', import.meta.url));

let bff: TestBff;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'pixie-cli-'));
  bff = await startBff({
    route: { clients: ['browser', 'bearer'], scopes: ['orders'] },
    ownAuthorizationServer: {
      clients: [{ id: 'cli', name: 'Example CLI', redirectUris: ['http://127.0.0.1/callback'] }],
      deviceAuthorization: true,
    },
    upstream: (_request, response) => response.end('the orders'),
  });
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await bff.close();
});

/** Starts a command of the example. A browser that it would open does not exist. */
function start(name: string, ...command: string[]): ChildProcessWithoutNullStreams {
  const environment = { PATH: '', BFF_URL: bff.url, TOKEN_FILE: join(directory, name) };
  return spawn(process.execPath, [program, ...command], { env: environment });
}

async function run(name: string, ...command: string[]) {
  const child = start(name, ...command);
  const [output, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    child.exitCode ?? once(child, 'exit'),
  ]);
  return { output, errors };
}

/** The first address that a running command prints, and the code to enter there, if any. */
async function addressOf(
  child: ChildProcessWithoutNullStreams,
): Promise<{ url: string; code: string }> {
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    const [, url = '', code = ''] = /Open (\S+)(?: and enter (\S+)\.| if)/.exec(printed) ?? [];
    if (url) return { url, code };
  }
  throw new Error(`The command printed no address: ${printed}`);
}

describe('the example of a command-line client', () => {
  it('signs in with a browser, calls the API, and signs out', async () => {
    const login = start('browser', 'login');
    const { url } = await addressOf(login);
    const browser = bff.browser();
    const consent = await browser.navigate(`${url}&login_hint=alice`);
    const [last] = await Promise.all([
      browser.submit(consent, { decision: 'allow' }),
      once(login, 'exit'),
    ]);
    expect(last.body).toBe('You can close this window.');
    expect(statSync(join(directory, 'browser')).mode & 0o777).toBe(0o600);
    expect((await run('browser', 'call', '/api/orders')).output).toBe('the orders\n');
    expect((await run('browser', 'logout')).output).toBe('Signed out.\n');
    expect((await run('browser', 'call', '/api/orders')).errors).toContain('Not signed in');
  });

  it('signs in as a device', async () => {
    const login = start('device', 'login', '--device');
    const { url, code } = await addressOf(login);
    const browser = bff.browser();
    const page = await browser.navigate(url);
    const confirmation = await browser.submit(page, { user_code: code });
    const consent = await browser.submit(confirmation, { confirm: 'yes' });
    await Promise.all([browser.submit(consent, { decision: 'allow' }), once(login, 'exit')]);
    expect((await run('device', 'call', '/api/orders')).output).toBe('the orders\n');
  });
});
