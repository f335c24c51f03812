import { createPrivateKey, X509Certificate } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { SigningAlgorithm } from 'oidc-provider';
import {
  type AuthorizationServerOptions,
  startAuthorizationServer,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { MutualTlsEndpoint, shownCertificate } from '../support/network/mutual-tls.ts';
import { clientCertificate, testTls } from '../support/network/tls.ts';
import { respondWith, inTurn } from '../support/upstream/responses.ts';
import { startUpstream } from '../support/upstream/upstream.ts';
import { errorCode, whoIs } from './steps.ts';

const x5t = (pem: string) =>
  Buffer.from(new X509Certificate(pem).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  );

/** Every request with which the client proves itself: pushes, signs in, refreshes and revokes. */
async function everythingAuthenticated(bff: TestBff): Promise<void> {
  const browser = await bff.signedIn('alice', bff.browser({ ca: testTls().ca }));
  const refusal = { 'www-authenticate': 'Bearer error="invalid_token"' };
  bff.upstream.handler = inTurn(respondWith(401, {}, refusal), respondWith(200));
  await browser.fetch('/api/x');
  await browser.fetch('/bff/logout', { method: 'POST' });
}

const startWithKey = (kind: Parameters<typeof keyPair>[0], alg: SigningAlgorithm) => {
  const { privateJwk, publicJwk } = keyPair(kind, { alg, kid: 'one', use: 'sig' });
  return startBff({
    store: 'memory',
    authorizationServer: {
      clientAuth: 'private_key_jwt',
      par: 'required',
      client: { jwks: { keys: [publicJwk] } },
      configuration: (defaults) => ({
        ...defaults,
        enabledJWA: { clientAuthSigningAlgValues: [alg] },
      }),
    },
    provider: { clientKey: keyFile(privateJwk) },
  });
};

describe('private_key_jwt', () => {
  it.each([
    ['rsa', 'RS256'],
    ['rsa', 'PS256'],
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['ed25519', 'EdDSA'],
    ['ed25519', 'Ed25519'],
  ] as const)('satisfies a server that accepts nothing else: %s %s', async (kind, alg) => {
    await using bff = await startWithKey(kind, alg);
    const { authorizationServer: server } = bff;
    await everythingAuthenticated(bff);
    const endpoints = ['par', 'token', 'revocation'] as const;
    expect(endpoints.map((endpoint) => server.requestsTo(endpoint).length)).toEqual([1, 2, 1]);
    const requests = endpoints.flatMap((endpoint) => server.requestsTo(endpoint));
    for (const { form, headers } of requests) {
      expect(headers.authorization).toBeUndefined();
      expect(form.getAll('client_secret')).toEqual([]);
      expect(form.getAll('client_assertion')).toHaveLength(1);
    }
    const assertions = requests.map(({ form }) => form.get('client_assertion') ?? '');
    expect(decodeProtectedHeader(assertions[0] ?? '')).toEqual({ alg, kid: 'one' });
    const claims = assertions.map((assertion) => decodeJwt(assertion));
    for (const { aud, iss, sub, exp = 0, iat = 0 } of claims) {
      // A string and not a list: nobody else may use it (FAPI 2.0 §5.3.3.1, RFC 9700).
      expect({ aud, iss, sub }).toEqual({
        aud: server.issuer,
        iss: 'test-client',
        sub: 'test-client',
      });
      expect(exp - iat).toBeLessThanOrEqual(60);
    }
    expect(new Set(claims.map(({ jti }) => jti)).size).toBe(assertions.length);
  });

  it('reads the key from PEM, and the first private key for signatures of a JWK Set', async () => {
    const { pem, publicJwk, privateJwk } = keyPair('P-256', { kid: 'a' });
    const others = [
      keyPair('P-256').publicJwk,
      keyPair('P-256', { use: 'enc' }).privateJwk,
      privateJwk,
      keyPair('P-256').privateJwk,
    ];
    for (const file of [keyFile(pem), keyFile({ keys: others })]) {
      await using bff = await startBff({
        store: 'memory',
        authorizationServer: {
          clientAuth: 'private_key_jwt',
          client: { jwks: { keys: [publicJwk] } },
        },
        provider: { clientKey: file },
      });
      await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
    }
  });

  it('signs with a new key as soon as it has taken the place of the old one, and with that while the file is bad', async () => {
    const [old, fresh] = [
      keyPair('P-256', { kid: 'old' }),
      keyPair('rsa', { kid: 'new', alg: 'PS256' }),
    ];
    const file = keyFile(old.privateJwk);
    const jwks = { keys: [old.publicJwk, fresh.publicJwk] };
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { clientAuth: 'private_key_jwt', client: { jwks } },
      provider: { clientKey: file },
    });
    const keysUsed = () =>
      bff.authorizationServer
        .tokenRequests()
        .map(({ form }) => decodeProtectedHeader(form.get('client_assertion') ?? '').kid);
    await bff.signedIn();
    renameSync(keyFile('half a'), file);
    await bff.signedIn();
    await bff.signedIn();
    const message = 'the file of clientKey cannot be used; the last good key serves on';
    expect(bff.logs.lines.filter(({ msg }) => msg === message)).toHaveLength(1);
    writeFileSync(file, JSON.stringify(fresh.privateJwk));
    await bff.signedIn();
    expect(keysUsed()).toEqual(['old', 'old', 'old', 'new']);
  });
});

it('client_secret_post sends the secret in the body only', async () => {
  await using bff = await startBff({
    store: 'memory',
    authorizationServer: { clientAuth: 'client_secret_post', par: 'required' },
  });
  await everythingAuthenticated(bff);
  const { authorizationServer: server } = bff;
  const requests = (['par', 'token', 'revocation'] as const).flatMap((at) => server.requestsTo(at));
  expect(requests).toHaveLength(4);
  for (const { form, headers, url } of requests) {
    expect(form.getAll('client_secret')).toEqual([server.clientSecret]);
    expect([headers.authorization, form.has('client_assertion')]).toEqual([undefined, false]);
    expect(url).not.toContain('client_secret');
  }
});

describe('mutual TLS', () => {
  let mutualTls: MutualTlsEndpoint;
  beforeAll(async () => {
    mutualTls = await MutualTlsEndpoint.start();
  });
  afterAll(() => mutualTls.close());
  beforeEach(() => void (mutualTls.requests.length = 0));

  const { key, cert, ca, caFile } = testTls();
  const me = clientCertificate('bff');
  const subject = new X509Certificate(me.cert).subject;
  const publicJwk = { ...new X509Certificate(me.cert).publicKey.export({ format: 'jwk' }) };

  async function start(
    clientAuth: 'tls_client_auth' | 'self_signed_tls_client_auth' | 'client_secret_basic',
    client: object,
    overrides: BffOverrides = {},
    server: AuthorizationServerOptions = {
      jwtAccessTokens: { audience: 'https://api.example.com' },
    },
  ): Promise<TestBff> {
    const authorizationServer = await startAuthorizationServer({
      tls: { key, cert },
      clientAuth,
      client,
      par: 'required',
      configuration: mutualTls.configuration,
      ...server,
    });
    mutualTls.leadTo(authorizationServer);
    return startBff({
      store: 'memory',
      authorizationServer,
      provider: { ca: caFile, clientCert: me.certFile, clientKey: me.keyFile },
      ...overrides,
    });
  }

  const registered = { tls_client_auth_subject_dn: subject };

  it('a UserInfo request uses the certificate too, because its token may be bound to it', async () => {
    const bound = { ...registered, tls_client_certificate_bound_access_tokens: true };
    await using bff = await start('tls_client_auth', bound, {}, { claimsInIdToken: false });
    await bff.signedIn('alice', bff.browser({ ca }));
    expect(mutualTls.requests.map(({ path }) => path)).toContain('/me');
  });

  it.each([
    ['tls_client_auth', registered],
    [
      'self_signed_tls_client_auth',
      {
        jwks: {
          keys: [{ ...publicJwk, x5c: [new X509Certificate(me.cert).raw.toString('base64')] }],
        },
      },
    ],
  ] as const)('%s: the certificate is all that proves who we are', async (method, client) => {
    await using bff = await start(method, client);
    await everythingAuthenticated(bff);
    expect(mutualTls.requests.map(({ path }) => path)).toEqual([
      '/request',
      '/token',
      '/token',
      '/token/revocation',
    ]);
    for (const { form, headers } of mutualTls.requests) {
      expect(form.get('client_id')).toBe('test-client');
      expect([
        headers.authorization,
        form.has('client_secret'),
        form.has('client_assertion'),
      ]).toEqual([undefined, false, false]);
    }
    // Where there is an alias, nothing of this kind goes to the ordinary door (RFC 8705 §5).
    expect(bff.authorizationServer.tokenRequests()).toEqual([]);
  });

  it('the certificate of another client is refused there', async () => {
    const other = clientCertificate('somebody-else');
    await using bff = await start('tls_client_auth', registered, {
      provider: { ca: caFile, clientCert: other.certFile, clientKey: other.keyFile },
    });
    const browser = bff.browser({ ca });
    await expect(bff.signIn(browser).then(errorCode)).resolves.toBe('login_failed');
  });

  it('an upstream sees the certificate that its tokens are bound to', async () => {
    const seen: unknown[] = [];
    const upstream = await startUpstream(
      (request, response, recorded) => {
        const token = (request.headers.authorization ?? '').replace('Bearer ', '');
        const { cnf } = decodeJwt(token);
        seen.push(cnf, x5t(shownCertificate(request) ?? ''));
        respondWith(200, {})(request, response, recorded);
      },
      { tls: { key, cert, ca } },
    );
    const bound = { ...registered, tls_client_certificate_bound_access_tokens: true };
    // As a JWK it serves TLS as well.
    const clientKey = keyFile(createPrivateKey(me.key).export({ format: 'jwk' }));
    await using bff = await start('tls_client_auth', bound, {
      upstream,
      route: { ca: caFile },
      provider: { ca: caFile, clientCert: me.certFile, clientKey },
    });
    const browser = await bff.signedIn('alice', bff.browser({ ca }));
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await browser.fetch('/api/x')).status).toBe(200);
    }
    await upstream.close();
    const once = [{ 'x5t#S256': x5t(me.cert) }, x5t(me.cert)];
    expect(seen).toEqual([...once, ...once]);
  });
});

describe('the authority of one provider', () => {
  const { key, cert, ca, caFile } = testTls();

  it('is trusted for that provider', async () => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { tls: { key, cert } },
      provider: { ca: caFile },
    });
    await expect(whoIs(await bff.signedIn('alice', bff.browser({ ca })))).resolves.toBe('alice');
  });

  it('is not, where it is not configured', async () => {
    await using bff = await startBff({
      store: 'memory',
      authorizationServer: { tls: { key, cert } },
    });
    const page = await bff.signIn(bff.browser({ ca }));
    expect([page.status, errorCode(page)]).toEqual([503, 'provider_unavailable']);
  });
});
