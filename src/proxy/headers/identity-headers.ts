/**
 * Headers in which identity-aware gateways (oauth2-proxy, Authelia, Azure App Service, AWS ALB,
 * Google IAP, Tailscale, Kong, WebLogic, TLS terminators) tell an application who the user is. If a
 * client could send them, the application would believe the client.
 */
const prefixes = [
  'x-auth-request-',
  'remote-',
  'x-remote-',
  'x-webauth-',
  'x-ms-client-principal',
  'x-ms-token-',
  'x-amzn-oidc-',
  'x-goog-iap-',
  'tailscale-user-',
  'x-consumer-',
  'x-authenticated-',
  'x-credential-',
  'wl-proxy-',
  'x-client-cert',
  'x-ssl-',
  'ssl-client-',
];

/**
 * Whether a gateway uses this header to identify the user. `name` is in lower case with hyphens.
 */
export function isIdentityHeader(name: string): boolean {
  // CGI exposes `Proxy` as HTTP_PROXY, which HTTP clients obey (CVE-2016-5385).
  if (name === 'proxy') return true;
  if (name.startsWith('x-goog-') && name.includes('-user-', 'x-goog-'.length)) return true;
  return prefixes.some((prefix) => name.startsWith(prefix));
}
