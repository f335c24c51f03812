import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { JWK } from 'oidc-provider';
import { ConfigurationError } from '../../src/config/load.ts';
import { respondWith, hangUp, inTurn } from '../support/upstream/responses.ts';
import {
  startAuthorizationServer,
  type AuthorizationServer,
  type AuthorizationServerOptions,
} from '../support/authorization-server/authorization-server.ts';
import { startBff, type BffOverrides, type TestBff } from '../support/bff/bff.ts';
import type { TestBrowser } from '../support/browser/browser.ts';
import { testClock } from '../support/time/clock.ts';
import { keyFile, keyPair } from '../support/authorization-server/client-keys.ts';
import { DpopResourceServer } from '../support/upstream/dpop-upstream.ts';
import { MutualTlsEndpoint, shownCertificate } from '../support/network/mutual-tls.ts';
import type { RecordedRequest } from '../support/upstream/recorder.ts';
import { clientCertificate, testTls } from '../support/network/tls.ts';
import { closeServer, listen, startUpstream, type Upstream } from '../support/upstream/upstream.ts';
import { asProgram, changed, errorCode, untilCallback, visitCallback, whoIs } from './steps.ts';

const { key, cert, ca, caFile } = testTls();
const certificate = clientCertificate('fapi');
const { privateJwk, publicJwk } = keyPair('rsa', { kid: 'fapi', alg: 'PS256', use: 'sig' });

type Method = 'private_key_jwt' | 'tls_client_auth';
type Binding = 'dpop' | 'mtls';

/**
 * An authorization server that enforces the profile, a BFF that keeps to it, and an API that takes
 * bound tokens alone.
 */
class FapiSetup {
  readonly seen: unknown[] = [];
  readonly server: AuthorizationServer;
  readonly mutualTls: MutualTlsEndpoint;
  readonly api: DpopResourceServer;
  readonly upstream: Upstream;
  bff!: TestBff;

  private constructor(
    server: AuthorizationServer,
    mutualTls: MutualTlsEndpoint,
    binding: Binding,
    upstream: Upstream,
  ) {
    this.server = server;
    this.mutualTls = mutualTls;
    this.upstream = upstream;
    this.api = new DpopResourceServer(() => server);
    this.api.url = upstream.url;
    this.api.nonce = 'wanted';
    upstream.handler = binding === 'dpop' ? this.api.checkingHandler : this.#judgeCertificate;
  }

  static async start(
    method: Method = 'private_key_jwt',
    binding: Binding = 'dpop',
    overrides: BffOverrides = {},
  ): Promise<FapiSetup> {
    const mutualTls = await MutualTlsEndpoint.start();
    const server = await startAuthorizationServer(fapiServer(method, binding, mutualTls));
    mutualTls.leadTo(server);
    const upstream = await startUpstream(respondWith(500), {
      tls: { key, cert, ...(binding === 'mtls' && { ca }) },
    });
    const setup = new FapiSetup(server, mutualTls, binding, upstream);
    const { provider, ...others } = overrides;
    setup.bff = await startBff({
      https: true,
      authorizationServer: server,
      upstream,
      route: { ca: caFile },
      provider: { profile: 'fapi2', ca: caFile, ...identity(method, binding), ...provider },
      ...others,
    });
    return setup;
  }

  browser(): Promise<TestBrowser> {
    return this.bff.signedIn();
  }

  /** What the client asked at either door. */
  requestsTo(path: string): RecordedRequest[] {
    return [...this.server.requests, ...this.mutualTls.requests].filter(
      (request) => request.path === path,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bff.close();
    await Promise.all([this.server.close(), this.mutualTls.close(), this.upstream.close()]);
  }

  #judgeCertificate: Upstream['handler'] = async (request, response, recorded) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    const known = await this.server.provider.AccessToken.find(token);
    const shown = new X509Certificate(shownCertificate(request) ?? '').fingerprint256;
    const thumbprint = Buffer.from(shown.replaceAll(':', ''), 'hex').toString('base64url');
    const isBound = known?.['x5t#S256'] === thumbprint;
    return respondWith(isBound ? 200 : 401, {})(request, response, recorded);
  };
}

function fapiServer(
  method: Method,
  binding: Binding,
  mutualTls: MutualTlsEndpoint,
): AuthorizationServerOptions {
  const subject = new X509Certificate(certificate.cert).subject;
  return {
    tls: { key, cert },
    clientAuth: method,
    par: 'required',
    dpop: binding === 'dpop' && 'nonce',
    rotateRefreshTokens: false,
    client: {
      ...(method === 'private_key_jwt' && {
        jwks: { keys: [publicJwk] },
        token_endpoint_auth_signing_alg: 'PS256',
      }),
      ...(method === 'tls_client_auth' && { tls_client_auth_subject_dn: subject }),
      ...(binding === 'dpop'
        ? { dpop_bound_access_tokens: true }
        : { tls_client_certificate_bound_access_tokens: true }),
      id_token_signed_response_alg: 'ES256',
    },
    configuration: (defaults) => {
      const mutual = mutualTls.configuration(defaults);
      return {
        ...mutual,
        enabledJWA: {
          clientAuthSigningAlgValues: ['PS256', 'ES256', 'EdDSA'],
          idTokenSigningAlgValues: ['PS256', 'ES256', 'RS256'],
        },
        features: { ...mutual.features, fapi: { enabled: true, profile: '2.0' } },
      };
    },
  };
}

function identity(method: Method, binding: Binding): NonNullable<BffOverrides['provider']> {
  const tls = { clientCert: certificate.certFile, clientKey: certificate.keyFile };
  if (method === 'tls_client_auth') return { ...tls, ...(binding === 'dpop' && { dpop: true }) };
  return binding === 'mtls' ? tls : { clientKey: keyFile(privateJwk) };
}

describe('under the FAPI 2.0 Security Profile', () => {
  it.each<[Method, Binding]>([
    ['private_key_jwt', 'dpop'],
    ['tls_client_auth', 'dpop'],
    ['tls_client_auth', 'mtls'],
  ])(
    '§5.3.3.1-1, 2, 6, 8: %s and tokens bound by %s satisfy a server and an API that enforce it',
    async (method, binding) => {
      await using setup = await FapiSetup.start(method, binding);
      const browser = await setup.browser();
      expect((await browser.fetch('/api/x')).status).toBe(200);
      const { handler } = setup.upstream;
      const scheme = binding === 'dpop' ? 'DPoP' : 'Bearer';
      setup.upstream.handler = inTurn(
        respondWith(401, {}, { 'www-authenticate': `${scheme} error="invalid_token"` }),
        handler,
      );
      expect((await browser.fetch('/api/x')).status).toBe(200);
      expect(
        setup.requestsTo('/token').some(({ form }) => form.get('grant_type') === 'refresh_token'),
      ).toBe(true);
      await expect(whoIs(browser)).resolves.toBe('alice');
      // §5.3.3.1-3: the token is in the header, and there is no other place for it.
      for (const { headers, url } of setup.upstream.requests) {
        expect(headers.authorization).toMatch(new RegExp(`^${scheme} [\\w-]+$`));
        expect(url).not.toContain('token');
      }
    },
  );

  it('§5.3.3.1-1, 2: private_key_jwt with the key of the certificate that binds tokens', async () => {
    const { publicKey } = new X509Certificate(certificate.cert);
    const mutualTls = await MutualTlsEndpoint.start();
    const options = fapiServer('private_key_jwt', 'mtls', mutualTls);
    const client = {
      ...options.client,
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }) } as JWK] },
      token_endpoint_auth_signing_alg: 'ES256' as const,
    };
    const server = await startAuthorizationServer({ ...options, client });
    mutualTls.leadTo(server);
    const bff = await startBff({
      https: true,
      authorizationServer: server,
      provider: { profile: 'fapi2', ca: caFile, ...identity('private_key_jwt', 'mtls') },
    });
    await expect(whoIs(await bff.signedIn())).resolves.toBe('alice');
    expect(bff.options.providers[0]?.dpop).toBe(false);
    await bff.close();
    await Promise.all([server.close(), mutualTls.close()]);
  });

  describe('with private_key_jwt and DPoP', () => {
    let setup: FapiSetup;
    beforeAll(async () => {
      setup = await FapiSetup.start();
    });
    afterAll(() => setup[Symbol.asyncDispose]());
    beforeEach(() => void (setup.server.requests.length = 0));

    it('§5.3.3.1-5: the assertion is for the issuer, as a string', async () => {
      await setup.browser();
      const assertions = ['/request', '/token']
        .flatMap((path) => setup.requestsTo(path))
        .map(({ form }) => form.get('client_assertion') ?? '');
      expect(assertions.length).toBeGreaterThanOrEqual(2);
      for (const assertion of assertions) {
        expect(decodeJwt(assertion).aud).toBe(setup.server.issuer);
        expect(decodeProtectedHeader(assertion)).toMatchObject({ alg: 'PS256', kid: 'fapi' });
      }
    });

    it('§5.3.3.1-4, 12: no redirect leads to another site, and no other page begins a sign-in unseen', async () => {
      const browser = setup.bff.browser();
      const elsewhere = await setup.bff.signIn(browser, { returnUrl: 'https://evil.example' });
      expect(errorCode(elsewhere)).toBe('invalid_return_url');
      const hidden = await browser.fetch('/bff/login', {
        headers: { ...asProgram, 'sec-fetch-dest': 'image' },
      });
      expect(hidden.status).toBe(403);
      expect(setup.server.requests).toEqual([]);
    });

    it('§5.3.3.1-13: only what is configured is requested', async () => {
      await setup.browser();
      expect(setup.requestsTo('/request')[0]?.form.get('scope')).toBe(
        'openid profile email offline_access',
      );
    });

    it('§5.3.3.2-1, 2, 3, 4, 6, 7: code, PAR, PKCE of its own and a short nonce; the address has a reference alone', async () => {
      await setup.browser();
      await setup.browser();
      const pushed = setup.requestsTo('/request').map(({ form }) => form);
      for (const form of pushed) {
        expect([form.get('response_type'), form.get('code_challenge_method')]).toEqual([
          'code',
          'S256',
        ]);
        expect(form.get('nonce')?.length).toBeLessThanOrEqual(64);
      }
      for (const name of ['code_challenge', 'state', 'nonce', 'dpop_jkt'])
        expect(new Set(pushed.map((form) => form.get(name))).size).toBe(pushed.length);
      for (const { query } of setup.server.authorizationRequests())
        expect([...query.keys()].toSorted()).toEqual(['client_id', 'request_uri']);
    });

    it.each([
      ['is missing', { iss: null }],
      ['is of another server', { iss: 'https://evil.example' }],
    ])(
      '§5.3.3.2-5: a response whose iss %s is refused, and its code stays unspent',
      async (_, change) => {
        const browser = setup.bff.browser();
        const callback = await untilCallback(setup.bff, browser);
        const page = await visitCallback(setup.bff, browser, changed(callback, change));
        expect([page.status, errorCode(page)]).toEqual([400, 'invalid_request']);
        expect(setup.requestsTo('/token')).toEqual([]);
      },
    );

    it('§5.4.1: an ID token signed with RS256 is refused, and so is an unsigned one', async () => {
      setup.server.registerClient({ id_token_signed_response_alg: 'RS256' });
      const page = await setup.bff.signIn(setup.bff.browser());
      setup.server.registerClient({ id_token_signed_response_alg: 'ES256' });
      expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
      const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.`;
      setup.server.transform('token', (json) => ({
        ...json,
        id_token: `${none}${String(json['id_token']).split('.')[1]}.`,
      }));
      const unsigned = await setup.bff.signIn(setup.bff.browser());
      setup.server.transform('token', undefined);
      expect(errorCode(unsigned)).toBe('login_failed');
    });

    it('keeps the session when the response to a refresh is lost (§5.3.2.1 note)', async () => {
      const browser = await setup.browser();
      const { handler } = setup.upstream;
      const refusal = respondWith(401, {}, { 'www-authenticate': 'DPoP error="invalid_token"' });
      setup.upstream.handler = inTurn(refusal, refusal, handler);
      setup.server.override(
        'token',
        inTurn(hangUp(), () => 'continue'),
      );
      expect((await browser.fetch('/api/x')).status).toBe(401);
      await expect(whoIs(browser)).resolves.toBe('alice');
      setup.server.override('token', undefined);
      setup.upstream.handler = handler;
      expect((await browser.fetch('/api/x')).status).toBe(200);
    });
  });

  it('§5.3.3.1-7: mtls_endpoint_aliases are where a certificate is shown', async () => {
    await using setup = await FapiSetup.start('tls_client_auth', 'mtls');
    await setup.browser();
    expect(setup.mutualTls.requests.map(({ path }) => path)).toEqual(['/request', '/token']);
    expect(
      setup.server.requests.filter(
        ({ method }) => method === 'POST' && /request|token/.test(method),
      ),
    ).toEqual([]);
  });

  it('§5.3.3.1-11: metadata of another issuer are not used', async () => {
    await using setup = await FapiSetup.start();
    const { server, bff } = setup;
    server.transform('discovery', (json) => ({ ...json, issuer: 'https://evil.example' }));
    const replica = await bff.replica();
    const page = await replica.signIn(replica.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
  });

  it('§5.4.3: of keys with the same kid the one that fits is taken', async () => {
    await using setup = await FapiSetup.start();
    setup.server.transform('jwks', (json) => {
      const keys = json['keys'] as object[];
      const decoys = [
        { ...keyPair('rsa').publicJwk, kid: 'ec', use: 'sig' },
        { ...keyPair('P-256').publicJwk, kid: 'ec', use: 'enc' },
        { ...keyPair('P-256').publicJwk, kid: 'ec', alg: 'ES256K' },
      ];
      return { keys: [...decoys, ...keys] };
    });
    await expect(whoIs(await setup.browser())).resolves.toBe('alice');
  });

  it.each([
    [
      'a cipher that BCP 195 does not recommend',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' },
      true,
    ],
    [
      'TLS 1.1',
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      false,
    ],
  ] as const)('§5.2.2: a server with %s is not talked to', async (_name, tls, reachedWithout) => {
    const requests: unknown[] = [];
    const server = createServer({ key, cert, ...tls }, (request, response) => {
      requests.push(request.url);
      response.end('{}');
    });
    const { port } = await listen(server, 0);
    const issuer = `https://127.0.0.1:${port}`;
    await using bff = await startBff({
      https: true,
      provider: {
        issuer,
        ca: caFile,
        profile: 'fapi2',
        clientAuth: 'private_key_jwt',
        clientSecret: undefined,
        clientKey: keyFile(privateJwk),
      },
    });
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page), requests]).toEqual([503, 'provider_unavailable', []]);
    // Without the profile TLS 1.2 is good enough as Node.js has it.
    await using lax = await startBff({ https: true, provider: { issuer, ca: caFile } });
    await lax.signIn(lax.browser());
    expect(requests.length > 0).toBe(reachedWithout);
    await closeServer(server);
  });
});

describe('a provider that falls short of the profile', () => {
  it('stops the start, with every point at once', async () => {
    const server = await startAuthorizationServer({
      tls: { key, cert },
      clientAuth: 'private_key_jwt',
      client: { jwks: { keys: [publicJwk] } },
    });
    server.transform('discovery', (json) => ({
      ...json,
      authorization_response_iss_parameter_supported: undefined,
      code_challenge_methods_supported: ['plain'],
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      token_endpoint_auth_signing_alg_values_supported: ['RS256'],
    }));
    const start = startBff({
      https: true,
      authorizationServer: server,
      provider: { profile: 'fapi2', ca: caFile, clientKey: keyFile(privateJwk) },
    });
    const error = await start.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    await server.close();
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).mistakes).toEqual([
      {
        path: 'providers[0].profile',
        message: `is fapi2, but the metadata of ${server.issuer} have no pushed_authorization_request_endpoint; no S256 in code_challenge_methods_supported; no authorization_response_iss_parameter_supported; no private_key_jwt in token_endpoint_auth_methods_supported; none of PS256, ES256, EdDSA, Ed25519 in token_endpoint_auth_signing_alg_values_supported; no ES256 in dpop_signing_alg_values_supported`,
      },
    ]);
  });

  it('that was away at the start does not sign in', async () => {
    const server = await startAuthorizationServer({
      tls: { key, cert },
      clientAuth: 'private_key_jwt',
      client: { jwks: { keys: [publicJwk] } },
    });
    await server.goDown();
    const clock = testClock();
    await using bff = await startBff({
      https: true,
      authorizationServer: server,
      provider: { profile: 'fapi2', ca: caFile, clientKey: keyFile(privateJwk) },
      clock: clock.now,
    });
    await server.comeBack();
    clock.advance(2000);
    const page = await bff.signIn(bff.browser());
    expect([page.status, errorCode(page)]).toEqual([502, 'login_failed']);
    expect(server.authorizationRequests()).toEqual([]);
    await server.close();
  });
});
