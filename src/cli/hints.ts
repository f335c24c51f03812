import { reasonOf } from '../errors.ts';

const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [
    /ENOTFOUND|EAI_AGAIN/,
    'the host name is unknown here; check its spelling and this machine’s DNS',
  ],
  [/ECONNREFUSED/, 'nothing listens there; start it, or correct the address'],
  [
    /ECONNRESET|socket (hang up|closed)/i,
    'something else than expected listens there; check port and scheme',
  ],
  [/timeout|timed out|no response|aborted/i, 'check the address, and the firewall in between'],
  [/EHOSTUNREACH|ENETUNREACH/, 'there is no way there from this machine; check the network'],
  [/WRONGPASS|NOAUTH|invalid password/i, 'check user and password in redis.url'],
  [/NOPERM/, 'give this Redis user the right to it, for all keys below redis.keyPrefix'],
  [/READONLY/, 'redis.url leads to a replica; name the primary'],
  [
    /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)|self[- ]signed|unable to (get|verify)/i,
    'trust its authority by NODE_EXTRA_CA_CERTS=/path/to/ca.pem',
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/i, 'renew its certificate'],
  [/ALTNAME|does not match certificate/i, 'use a host name that its certificate is for'],
  [
    /wrong version number|ssl3_get_record/i,
    'it does not speak TLS; use http://, or redis:// for Redis',
  ],
  [
    /\b404\b|unexpected HTTP status|without JSON/,
    'it has no OpenID Connect discovery there; correct issuer',
  ],
];

/** Describes why something failed, with a hint if there is one for the error. */
export function describeWithHint(error: unknown): string {
  const reason = reasonOf(error);
  const code = String((error as { code?: unknown } | undefined)?.code ?? '');
  const [, hint] = hints.find(([pattern]) => pattern.test(`${reason} ${code}`)) ?? [];
  return hint ? `${reason}: ${hint}` : reason;
}
