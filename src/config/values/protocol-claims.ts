const protocolClaims = new Set(
  ['iss', 'aud', 'azp', 'exp', 'iat', 'nbf', 'jti', 'nonce'].concat([
    'at_hash',
    'c_hash',
    's_hash',
    'sid',
    'session_expiry',
  ]),
);

/** Whether a claim is about the token, not about the user. Sessions do not keep such claims. */
export function isProtocolClaim(name: string): boolean {
  return protocolClaims.has(name);
}
