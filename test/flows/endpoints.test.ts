import supertest from 'supertest';
import { startBff, type TestBff } from '../support/bff/bff.ts';

/**
 * Method, address, status, and the code or the `Location` of the answer, for a client that has no
 * cookie.
 */
const table = [
  ['GET', '/bff/login', 302, /\/auth\?/],
  ['GET', '/bff/login?provider=nobody', 404, 'unknown_provider'],
  ['GET', '/bff/login?returnUrl=//evil.example', 400, 'invalid_return_url'],
  ['GET', '/bff/login?returnUrl=/a&returnUrl=/b', 400, 'invalid_request'],
  ['HEAD', '/bff/login', 405, ''],
  ['POST', '/bff/login', 405, 'method_not_allowed'],
  ['GET', '/bff/callback?code=x&state=y', 400, 'login_expired'],
  ['GET', '/bff/callback?code=x&code=x&state=y', 400, 'invalid_request'],
  ['GET', '/bff/callback/nobody?code=x&state=y', 404, 'unknown_provider'],
  ['HEAD', '/bff/callback?code=x&state=y', 405, ''],
  ['GET', '/bff/user', 401, 'not_signed_in'],
  ['DELETE', '/bff/user', 405, 'method_not_allowed'],
  ['POST', '/bff/refresh', 401, 'not_signed_in'],
  ['GET', '/bff/refresh', 405, 'method_not_allowed'],
  ['GET', '/bff/logout', 302, '/'],
  ['GET', '/bff/logout?returnUrl=/bye', 302, '/bye'],
  ['GET', '/bff/logout?returnUrl=https://evil.example', 400, 'invalid_return_url'],
  ['POST', '/bff/logout', 200, ''],
  ['PUT', '/bff/logout', 405, 'method_not_allowed'],
  ['GET', '/bff/logout/callback', 302, '/'],
  ['GET', '/bff/logout/callback?state=forged', 302, '/'],
  ['GET', '/bff', 404, 'not_found'],
  ['GET', '/bff/', 404, 'not_found'],
  ['GET', '/bff/user/', 404, 'not_found'],
  ['GET', '/BFF/user', 400, 'bad_path'],
  ['GET', '/bff/User', 400, 'bad_path'],
  ['GET', '/bff/Sessions', 400, 'bad_path'],
  ['POST', '/bff/Backchannel', 400, 'bad_path'],
  ['GET', '/bff/login;x', 400, 'bad_path'],
  ['GET', '/bff/user%20', 400, 'bad_path'],
  ['GET', '/bff/u%C5%BFer', 400, 'bad_path'],
  ['GET', '/bff/Nowhere', 404, 'not_found'],
  ['GET', '/bff/sessions', 401, 'not_signed_in'],
  ['DELETE', '/bff/sessions', 401, 'not_signed_in'],
  ['DELETE', '/bff/sessions/x', 401, 'not_signed_in'],
  ['GET', '/bff/sessions/x', 405, 'method_not_allowed'],
  ['GET', '/bff/backchannel', 405, 'method_not_allowed'],
  ['POST', '/bff/backchannel', 400, 'invalid_logout_token'],
  ['GET', '/bff/frontchannel?iss=x&sid=y', 404, 'not_found'],
  ['GET', '/bff/constructor', 404, 'not_found'],
  ['GET', '/bff/%2e%2e/api', 400, 'bad_path'],
] as const;

describe('every endpoint, requested without a cookie', () => {
  let bff: TestBff;
  beforeAll(async () => void (bff = await startBff({ store: 'memory' })));
  afterAll(() => bff.close());

  it.each(table)('%s %s responds with %i', async (method, address, status, outcome) => {
    const call = method.toLowerCase() as 'get';
    const response = await supertest(bff.app.getHttpServer())[call](address).set('X-CSRF', '1');
    expect(response.status).toBe(status);
    expect(response.headers['cache-control']).toBe('no-store');
    expect(response.headers['x-request-id']).toMatch(/^[\w-]{36}$/);
    const { code } = response.body as { code?: string };
    const actual = status === 302 ? response.headers['location'] : (code ?? '');
    expect(actual).toMatch(outcome instanceof RegExp ? outcome : new RegExp(`^${outcome}$`));
    expect(response.headers['allow'] ?? '').toMatch(status === 405 ? /^(GET|POST|DELETE)/ : /^$/);
  });

  it('refuses the endpoints that scripts call without the CSRF header, signed in or not', async () => {
    const server = supertest(bff.app.getHttpServer());
    for (const response of [await server.get('/bff/user'), await server.post('/bff/logout')]) {
      expect(response.status).toBe(403);
      expect(response.type).toBe('application/problem+json');
      expect((response.body as { code: string }).code).toBe('csrf');
    }
  });
});
