import { copyFileSync, chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/network/ports.ts';
import { runDirectory } from '../../support/setup/run-directory.ts';
import { cacheDirectory, made, need, runTool } from '../cache.ts';
import type { Candidate, Place, Registration, Running } from '../candidate.ts';
import { startProcess } from '../server-process.ts';
import { HydraPages } from './hydra-pages.ts';

const version = '2.3.0';
const module = `github.com/ory/hydra/v2@v${version}`;
const clientSecret = 'pixie-bff-secret-for-development';

/**
 * Ory Hydra with its data in memory, built from its Go module; the checksum database vouches for
 * what is built.
 */
export const hydra: Candidate = {
  name: 'Ory Hydra',
  provide: async () => {
    const program = await provideProgram();
    return { version, start: (place) => start(program, place) };
  },
};

async function provideProgram(): Promise<string> {
  const directory = cacheDirectory(`hydra-${version}`);
  const program = join(directory, 'hydra');
  return made(program, async () => {
    const go = need('go', 'it is built from its Go module');
    need('cc', 'SQLite is built with it: apt-get install gcc');
    const download = await runTool(go, ['mod', 'download', '-json', module], { cwd: directory });
    const { Dir: source } = JSON.parse(download) as { Dir: string };
    const manifest = join(directory, 'go.mod');
    for (const name of ['go.mod', 'go.sum']) {
      copyFileSync(join(source, name), join(directory, name));
      chmodSync(join(directory, name), 0o644);
    }
    // A module's archive leaves the nested module out to which this replacement leads; its release
    // is the same code.
    const replaced = '-dropreplace=github.com/ory/hydra-client-go/v2';
    await runTool(go, ['mod', 'edit', replaced, manifest]);
    const flags = ['-mod=mod', `-modfile=${manifest}`, '-tags', 'sqlite', '-o', program];
    await runTool(go, ['build', '-C', source, ...flags, '.'], { env: { CGO_ENABLED: '1' } });
  });
}

async function start(program: string, { publicUrl, port }: Place): Promise<Running> {
  const adminPort = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const pages = await new HydraPages().open();
  pages.adminUrl = `http://127.0.0.1:${adminPort}`;
  const file = join(mkdtempSync(join(runDirectory(), 'hydra-')), 'hydra.json');
  writeFileSync(file, JSON.stringify(configuration(issuer, port, adminPort, pages.url)));
  const server = await startProcess({
    program,
    args: ['serve', 'all', '--dev', '--sqa-opt-out', '--config', file],
    ready: `${issuer}/health/ready`,
  });
  await register(pages.adminUrl, 'pixie-bff', publicUrl, {
    backchannel_logout_uri: `${publicUrl}/bff/backchannel`,
    backchannel_logout_session_required: true,
  });
  await register(pages.adminUrl, 'pixie-bff-frontchannel', publicUrl, {
    frontchannel_logout_uri: `${publicUrl}/bff/frontchannel`,
    frontchannel_logout_session_required: true,
  });
  return {
    issuer,
    get output() {
      return server.output;
    },
    registration: {
      ...registration('pixie-bff'),
      logoutToken: { allowUntyped: true, allowMissingExp: true },
    },
    frontchannel: registration('pixie-bff-frontchannel'),
    signIn: (browser, page) => browser.submit(page, { password: 'pixie' }),
    confirmSignOut: (browser, page) => browser.submit(page, { yes: '' }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await pages.close();
    },
  };
}

function registration(clientId: string): Registration {
  return { clientId, clientSecret, scopes: ['openid', 'profile', 'email', 'offline_access'] };
}

function configuration(issuer: string, port: number, adminPort: number, pages: string): object {
  const host = '127.0.0.1';
  return {
    dsn: 'memory',
    serve: { public: { host, port }, admin: { host, port: adminPort } },
    urls: {
      self: { issuer },
      login: `${pages}/login`,
      consent: `${pages}/consent`,
      logout: `${pages}/logout`,
      // Where those end up who sign out without an application.
      post_logout_redirect: `${pages}/signed-out`,
    },
    secrets: { system: ['only for tests of interoperability'] },
    oauth2: { pkce: { enforced: true } },
  };
}

async function register(admin: string, id: string, publicUrl: string, more: object): Promise<void> {
  const client = {
    client_id: id,
    client_secret: clientSecret,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid profile email offline_access',
    token_endpoint_auth_method: 'client_secret_basic',
    redirect_uris: [`${publicUrl}/bff/callback`],
    post_logout_redirect_uris: [`${publicUrl}/bff/logout/callback`],
    ...more,
  };
  const response = await fetch(`${admin}/admin/clients`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(client),
  });
  if (response.status !== 201) throw new Error(`No client: ${await response.text()}`);
}
