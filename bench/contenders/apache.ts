import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../test/support/setup/provision.ts';
import { childDirectory, startChild } from '../child.ts';
import { clientIdOf, type Recipe } from '../contender.ts';
import type { Backends } from '../backends.ts';

const modules = '/usr/lib/apache2/modules';
const program = findProgram('apache2');

/** Apache with mod_auth_openidc and its sessions in Redis. */
export const apache: Recipe = {
  name: 'apache',
  title: 'Apache mod_auth_openidc',
  loginPath: '/api/hello',
  redirectPath: '/api/callback',
  missing: () =>
    program && existsSync(join(modules, 'mod_auth_openidc.so'))
      ? undefined
      : 'needs apache2 and libapache2-mod-auth-openidc (Debian)',
  start: (backends, port) => {
    const directory = childDirectory();
    const file = join(directory, 'apache.conf');
    writeFileSync(file, configuration(backends, port, directory));
    const args = ['-D', 'FOREGROUND', '-d', directory, '-f', file];
    return startChild({ program: program ?? '', args, port, directory });
  },
};

/** Threads enough for a thousand connections, none of which are ended in between; no access log. */
function configuration(
  { upstream, redis, authorizationServer }: Backends,
  port: number,
  directory: string,
): string {
  const names =
    'mpm_event unixd authn_core authz_core authz_user headers proxy proxy_http auth_openidc';
  const loaded = names.split(' ').map((name) => {
    const module = name === 'unixd' ? 'unixd' : name;
    return `<IfModule !${module}_module>\nLoadModule ${module}_module ${modules}/mod_${name}.so\n</IfModule>`;
  });
  return `
${loaded.join('\n')}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${join(directory, 'apache.pid')}
ErrorLog /dev/stderr
LogLevel warn
User www-data
Group www-data
ServerLimit 4
StartServers 4
ThreadsPerChild 256
ThreadLimit 256
MaxRequestWorkers 1024
MinSpareThreads 1
MaxSpareThreads 1024
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 600
Timeout 600

OIDCProviderMetadataURL ${authorizationServer.issuer}/.well-known/openid-configuration
OIDCClientID ${clientIdOf('apache', port)}
OIDCClientSecret ${authorizationServer.clientSecret}
OIDCRedirectURI http://localhost:${port}/api/callback
OIDCCryptoPassphrase a-passphrase-for-the-bench
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCSessionType server-cache
OIDCCacheType redis
OIDCRedisCacheServer 127.0.0.1:${redis.port}
OIDCSessionInactivityTimeout 1800
OIDCInfoHook userinfo

<Location /api/>
  AuthType openid-connect
  Require valid-user
  RequestHeader set Authorization "Bearer %{OIDC_access_token}e"
  RequestHeader unset Cookie
</Location>
ProxyPass /api/callback !
ProxyPass /api/ ${upstream}/api/ keepalive=On
`;
}
