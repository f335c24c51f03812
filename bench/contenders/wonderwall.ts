import { freePort } from '../../test/support/network/ports.ts';
import { startChild } from '../child.ts';
import { clientIdOf, originOf, type Recipe } from '../contender.ts';
import { goProgram } from './go-program.ts';

const program = goProgram('wonderwall');

/** Wonderwall with its sessions in Redis, as it comes. */
export const wonderwall: Recipe = {
  name: 'wonderwall',
  title: 'wonderwall',
  loginPath: '/oauth2/login?redirect=/api/hello',
  redirectPath: '/oauth2/callback',
  clientAuth: 'client_secret_post',
  missing: () =>
    program
      ? undefined
      : 'needs wonderwall (go install github.com/nais/wonderwall/cmd/wonderwall@latest)',
  start: async ({ upstream, redis, authorizationServer: { issuer, clientSecret } }, port) => {
    const options = {
      'bind-address': `127.0.0.1:${port}`,
      'metrics-bind-address': `127.0.0.1:${await freePort()}`,
      'probe-bind-address': `127.0.0.1:${await freePort()}`,
      ingress: originOf(port),
      'upstream-host': new URL(upstream).host,
      'cookie.secure': 'false',
      'encryption-key': Buffer.alloc(32, 7).toString('base64'),
      'openid.client-id': clientIdOf('wonderwall', port),
      'openid.client-secret': clientSecret,
      'openid.well-known-url': `${issuer}/.well-known/openid-configuration`,
      'openid.scopes': 'profile,email',
      'redis.uri': redis.url,
    };
    const args = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    return startChild({ program: program ?? '', args, port });
  },
};
