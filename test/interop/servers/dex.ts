import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runDirectory } from '../../support/setup/run-directory.ts';
import { need, runTool } from '../cache.ts';
import type { Candidate, Place, Running } from '../candidate.ts';
import { startProcess } from '../server-process.ts';

const clientSecret = 'pixie-bff-secret-for-development';

/**
 * Dex with its own list of people. Its releases are no Go modules that could be built by name, so
 * it must be there.
 */
export const dex: Candidate = {
  name: 'Dex',
  provide: async () => {
    const program = need('dex', 'Debian has none, and its releases are no Go modules: build it');
    const [, version = 'unknown'] =
      /Dex Version: v?(\S+)/.exec(await runTool(program, ['version'])) ?? [];
    return { version, start: (place) => start(program, place) };
  },
};

async function start(program: string, { publicUrl, port }: Place): Promise<Running> {
  const issuer = `http://127.0.0.1:${port}/dex`;
  const file = join(mkdtempSync(join(runDirectory(), 'dex-')), 'dex.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configuration(issuer, port, publicUrl)));
  const server = await startProcess({
    program,
    args: ['serve', file],
    ready: `${issuer}/.well-known/openid-configuration`,
  });
  const scopes = ['openid', 'profile', 'email', 'offline_access'];
  return {
    issuer,
    get output() {
      return server.output;
    },
    registration: { clientId: 'pixie-bff', clientSecret, scopes },
    signIn: (browser, page) =>
      browser.submit(page, { login: 'alice@example.com', password: 'password' }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function configuration(issuer: string, port: number, publicUrl: string): object {
  return {
    issuer,
    storage: { type: 'memory' },
    web: { http: `127.0.0.1:${port}` },
    oauth2: { skipApprovalScreen: true },
    staticClients: [
      {
        id: 'pixie-bff',
        name: 'Pixie BFF',
        secret: clientSecret,
        redirectURIs: [`${publicUrl}/bff/callback`],
      },
    ],
    enablePasswordDB: true,
    staticPasswords: [
      {
        email: 'alice@example.com',
        // The bcrypt hash of "password".
        hash: '$2a$10$2b2cU8CPhOTaGrs1HRQuAueS7JTT5ZHsHSzYiFPm1leZck7Mc8T4W',
        username: 'alice',
        userID: '08a8684b-db88-4b73-90a9-3cd1661f5466',
      },
    ],
  };
}
