/**
 * What identity-aware gateways (oauth2-proxy, Authelia, Azure App Service, AWS ALB, Google IAP,
 * Tailscale, Kong, WebLogic, TLS terminators) send to the application behind them. An application
 * that trusts them would trust any client.
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
 * Whether a header name, in lower case and with hyphens, is one under which a gateway says who the
 * user is.
 */
export function isIdentityHeader(name: string): boolean {
  // CGI hands `Proxy` to the application as HTTP_PROXY, which HTTP clients obey (CVE-2016-5385).
  if (name === 'proxy') return true;
  if (name.startsWith('x-goog-') && name.includes('-user-', 'x-goog-'.length)) return true;
  return prefixes.some((prefix) => name.startsWith(prefix));
}
