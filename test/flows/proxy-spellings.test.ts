import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express from 'express';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { rawRequest } from '../support/network/raw-request.ts';
import { openWebSocket, refusalOf } from '../support/network/web-sockets.ts';

/** An API with the defaults of Express 5, which reads `/api/Admin` as `/api/admin`. */
function lenientApi() {
  const api = express();
  api.get('/api/admin/pay', (_request, response) => void response.json('paid'));
  api.use((_request, response) => void response.json('nothing'));
  return api;
}

/** Spellings that some servers read as `/api/admin/pay`. */
const spellings = [
  '/api/Admin/pay',
  '/API/ADMIN/PAY',
  '/api/admin;v=1/pay',
  '/api/admin%3Bv=1/pay',
  '/api/admin%20/pay',
  '/api/admin%C2%A0/pay',
  '/api/%20admin/pay',
  '/api/admin./pay',
  '/api/admin.%20.;x/pay',
  '/api/;x/admin/pay',
  '/;x/api/admin/pay',
  '/api;x/admin/pay',
  '/api/%2541dmin/pay',
  '/api/%2561dmin/pay',
  '/api/%252541dmin/pay',
  '/api/adm%C4%B0n/pay',
  '/api/adm%C4%B1n/pay',
  '/api/Admin',
  '/api/admin;',
  '/api/ADMIN/',
];

describe('a nested route that demands more than the one around it', () => {
  let bff: TestBff;
  let alice: TestBrowser;

  beforeAll(async () => {
    bff = await startBff({
      store: 'memory',
      upstream: lenientApi(),
      routes: (usual, { upstream: { url } }) => [
        usual,
        { ...usual, path: '/api/admin', acr: 'urn:test:mfa' },
        { path: '/Legacy/Api', upstream: url, token: 'none' },
      ],
    });
    alice = await bff.signedIn();
  });

  afterAll(() => bff.close());
  beforeEach(() => void (bff.upstream.requests.length = 0));

  it('keeps its demand for its own spelling', async () => {
    const response = await alice.fetch('/api/admin/pay');
    expect([response.status, await response.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'step_up_required' }),
    ]);
    expect(bff.upstream.requests).toEqual([]);
  });

  it.each(spellings)('is not bypassed by the spelling %s', async (path) => {
    const response = await alice.fetch(path);
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'bad_path' }),
    ]);
    expect(bff.upstream.requests).toEqual([]);
  });

  it('is not bypassed by a WebSocket of another spelling', async () => {
    const opened = openWebSocket(bff, alice, { path: '/api/Admin/pay' });
    expect(await refusalOf(opened)).toEqual([400, 'bad_path']);
    expect(bff.upstream.requests).toEqual([]);
  });

  it.each(['/api/Orders/A;v=1/x.%20', '/api/administrators', '/api/x/ADMIN', '/api/%E6%97%A5'])(
    'is none of %s, which the route around it has',
    async (path) => {
      expect((await alice.fetch(path)).status).toBe(200);
      expect(bff.upstream.last.url).toBe(path);
    },
  );

  it('may be configured in capitals, and then is served in them alone', async () => {
    expect((await alice.fetch('/Legacy/Api/x')).status).toBe(200);
    for (const path of ['/legacy/api/x', '/Legacy/api', '/LEGACY/API/X'])
      expect((await alice.fetch(path)).status).toBe(400);
  });
});

describe('another spelling of an endpoint or a route', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'frontend-'));
    writeFileSync(join(directory, 'index.html'), 'the application');
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  const others = ['/BFF/user', '/bff;x/user', '/bff%20/user', '/bff./login', '/Api/x', '/api;v=1'];

  it.each(['directory', 'url', 'none'])('is not for the frontend (%s)', async (kind) => {
    await using bff = await startBff({ store: 'memory' });
    const frontend = kind === 'directory' ? { directory } : { url: bff.upstream.url };
    await using front = await startBff({ store: 'memory', ...(kind !== 'none' && { frontend }) });
    for (const path of others) {
      const bytes = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const { statuses, text } = await rawRequest(front.port, bytes);
      expect([path, statuses]).toEqual([path, [400]]);
      expect(text).toContain('bad_path');
    }
    expect(bff.upstream.requests).toEqual([]);
    expect(front.upstream.requests).toEqual([]);
    const page = await front.browser().navigate('/Orders/A.;b/apis');
    expect(page.status).toBe(kind === 'none' ? 404 : 200);
  });
});
