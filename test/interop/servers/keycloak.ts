import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../support/setup/provision.ts';
import { cacheDirectory, checkSha256, made, need, runTool } from '../cache.ts';
import type { Candidate, Place, Running } from '../candidate.ts';
import { startProcess } from '../server-process.ts';

const version = '26.7.3';
const sha256 = '27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f';
const artifact = `org.keycloak:keycloak-quarkus-dist:${version}:zip`;
const realmFile = fileURLToPath(new URL('../keycloak/realm.json', import.meta.url));
const admin = { username: 'interop-admin', password: 'interop-admin-password' };
const clientSecret = 'pixie-bff-secret-for-development';

/** Keycloak in development mode, with the realm that `docker-compose.keycloak.yml` imports too. */
export const keycloak: Candidate = {
  name: 'Keycloak',
  provide: async () => {
    need('java', 'apt-get install openjdk-17-jre-headless');
    const home = await provideHome();
    return { version, start: (place) => start(home, place) };
  },
};

async function provideHome(): Promise<string> {
  const directory = cacheDirectory('keycloak');
  const home = join(directory, `keycloak-${version}`);
  await made(join(home, 'bin', 'kc.sh'), async () => {
    const maven = need('mvn', 'apt-get install maven');
    // Moved when it is complete, so that half of it is never taken for all.
    const work = mkdtempSync(join(directory, 'work-'));
    try {
      const copy = [`-Dartifact=${artifact}`, `-DoutputDirectory=${work}`];
      await runTool(maven, ['-q', '-B', 'dependency:copy', ...copy]);
      const zip = join(work, `keycloak-quarkus-dist-${version}.zip`);
      await checkSha256(zip, sha256);
      await unpack(zip, work);
      renameSync(join(work, `keycloak-${version}`), home);
    } finally {
      rmSync(work, { recursive: true });
    }
  });
  return home;
}

/**
 * By the JDK's own tool, where there is no unzip; it knows no permissions, so kc.sh is run by its
 * shell.
 */
async function unpack(zip: string, directory: string): Promise<void> {
  const unzip = findProgram('unzip');
  if (unzip) await runTool(unzip, ['-q', zip, '-d', directory]);
  else await runTool(need('jar', 'or install unzip'), ['xf', zip], { cwd: directory });
}

async function start(home: string, { publicUrl, port }: Place): Promise<Running> {
  const imports = join(home, 'data', 'import');
  mkdirSync(imports, { recursive: true });
  copyFileSync(realmFile, join(imports, 'realm.json'));
  const issuer = `http://127.0.0.1:${port}/realms/pixie`;
  const listening = ['--http-host=127.0.0.1', `--http-port=${port}`];
  const server = await startProcess({
    program: need('bash', 'apt-get install bash'),
    // Nothing is kept, and no other Keycloak is looked for on the network.
    args: [
      join(home, 'bin', 'kc.sh'),
      'start-dev',
      '--db=dev-mem',
      '--cache=local',
      '--import-realm',
      ...listening,
    ],
    env: {
      KC_BOOTSTRAP_ADMIN_USERNAME: admin.username,
      KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password,
      JAVA_OPTS_KC_HEAP: '-Xms128m -Xmx768m',
      PIXIE_PUBLIC_URL: publicUrl,
      PIXIE_BACKCHANNEL_URL: publicUrl,
      PIXIE_CLIENT_SECRET: clientSecret,
    },
    ready: `${issuer}/.well-known/openid-configuration`,
  });
  return {
    issuer,
    get output() {
      return server.output;
    },
    registration: { clientId: 'pixie-bff', clientSecret },
    frontchannel: { clientId: 'pixie-bff-frontchannel', clientSecret },
    changeRole: (change) => changeRole(new URL(issuer).origin, change),
    signIn: (browser, page) => browser.submit(page, { username: 'alice', password: 'pixie' }),
    confirmSignOut: (browser, page) => browser.submit(page, { confirmLogout: 'Logout' }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Grants alice the realm role `admin`, or revokes it, by the admin API. */
async function changeRole(origin: string, change: 'grant' | 'revoke'): Promise<void> {
  const token = await adminToken(origin);
  const call = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(`${origin}/admin/realms/pixie/${path}`, { ...init, headers });
    const text = await response.text();
    assert(response.ok, `${path}: ${response.status} ${text}`);
    return text && (JSON.parse(text) as unknown);
  };
  const [user] = (await call('users?username=alice&exact=true')) as { id: string }[];
  const role = await call('roles/admin');
  await call(`users/${user?.id}/role-mappings/realm`, {
    method: change === 'grant' ? 'POST' : 'DELETE',
    body: JSON.stringify([role]),
  });
}

async function adminToken(origin: string): Promise<string> {
  const response = await fetch(`${origin}/realms/master/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({ ...admin, grant_type: 'password', client_id: 'admin-cli' }),
  });
  const text = await response.text();
  assert(response.ok, text);
  return (JSON.parse(text) as { access_token: string }).access_token;
}
