import { startChild } from '../child.ts';
import { clientIdOf, originOf, type Recipe } from '../contender.ts';
import { goProgram } from './go-program.ts';

const program = goProgram('oauth2-proxy');

/** oauth2-proxy with its sessions in Redis, as it comes: it logs every request. */
export const oauth2Proxy: Recipe = {
  name: 'oauth2-proxy',
  title: 'oauth2-proxy',
  loginPath: '/oauth2/start?rd=/api/hello',
  redirectPath: '/oauth2/callback',
  missing: () =>
    program
      ? undefined
      : 'needs oauth2-proxy (go install github.com/oauth2-proxy/oauth2-proxy/v7@latest)',
  start: ({ upstream, redis, authorizationServer: { issuer, clientSecret } }, port) => {
    const options = {
      'http-address': `127.0.0.1:${port}`,
      upstream: `${upstream}/`,
      provider: 'oidc',
      'oidc-issuer-url': issuer,
      'client-id': clientIdOf('oauth2-proxy', port),
      'client-secret': clientSecret,
      'redirect-url': `${originOf(port)}/oauth2/callback`,
      scope: 'openid profile email',
      'code-challenge-method': 'S256',
      'email-domain': '*',
      'cookie-secret': '0123456789abcdef0123456789abcdef',
      'cookie-secure': 'false',
      'session-store-type': 'redis',
      'redis-connection-url': redis.url,
      'pass-access-token': 'true',
      'api-route': '^/api/',
    };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    return startChild({ program: program ?? '', args, port });
  },
};
