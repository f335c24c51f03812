import type { ServerMetadata } from 'openid-client';
import { probeProvider } from './probe.ts';
import type { Provider } from './provider.ts';
import { disagreements } from './security-diagnosis.ts';

/** A finding about a provider's metadata, for the operator. */
export interface Remark {
  readonly status: 'warning' | 'error';
  readonly message: string;
}

/**
 * Reports metadata that will break sign-ins or needs the operator's attention. Throws if discovery
 * fails.
 */
export async function diagnoseProvider(provider: Provider): Promise<Remark[]> {
  const { options } = provider;
  if (options.type === 'oauth2') {
    await probeProvider(provider, AbortSignal.timeout(options.timeout));
    return [];
  }
  try {
    const metadata = (await provider.configuration()).serverMetadata();
    return [
      ...missingEndpoints(metadata),
      ...unencryptedEndpoints(metadata, options.issuer),
      ...unsupportedChoices(metadata, options),
      ...unprotected(metadata, options),
    ];
  } catch (error) {
    const announced = announcedIssuer(error);
    if (announced === undefined) throw error;
    const message = `it calls itself ${announced}; write issuer exactly like that`;
    return [{ status: 'error', message }];
  }
}

/** openid-client reports the issuer it found only in the cause of its error. */
function announcedIssuer(error: unknown): string | undefined {
  for (let link = error; link instanceof Error; link = link.cause) {
    const { attribute, body } = (link.cause ?? {}) as { attribute?: string; body?: ServerMetadata };
    if (attribute === 'issuer' && body) return String(body.issuer);
  }
  return undefined;
}

function missingEndpoints(metadata: ServerMetadata): Remark[] {
  const needed = {
    authorization_endpoint: 'authorizationEndpoint',
    token_endpoint: 'tokenEndpoint',
    jwks_uri: 'jwksUri',
  } as const;
  return Object.entries(needed)
    .filter(([name]) => !metadata[name])
    .map(([name, option]) => ({
      status: 'error',
      message: `its metadata have no ${name}; set ${option}`,
    }));
}

function unencryptedEndpoints(metadata: ServerMetadata, issuer: string): Remark[] {
  if (issuer.startsWith('http:')) return [];
  return Object.entries(metadata)
    .filter(([name]) => name.endsWith('_endpoint') || name === 'jwks_uri')
    .filter(([, address]) => String(address).startsWith('http:'))
    .map(([name, address]) => ({
      status: 'error',
      message:
        `its ${name} is ${String(address)}, which is not encrypted; have the provider announce ` +
        'https (behind a proxy it often needs its public address in its configuration)',
    }));
}

function unsupportedChoices(metadata: ServerMetadata, options: Provider['options']): Remark[] {
  const pkce = metadata.code_challenge_methods_supported;
  const methods = metadata.token_endpoint_auth_methods_supported;
  const scopes = metadata.scopes_supported;
  const unknown = options.scopes.filter((scope) => scopes && !scopes.includes(scope));
  const remarks = [
    !pkce?.includes('S256') &&
      'it does not announce PKCE with S256; PKCE is sent nevertheless, and state and nonce ' +
        'protect sign-ins if it is ignored',
    methods &&
      !methods.includes(options.clientAuth) &&
      `clientAuth is ${options.clientAuth}, but it announces ${methods.join(', ')}`,
    unknown.length > 0 &&
      `scopes has ${unknown.join(', ')}, which it does not announce; ` +
        'it may refuse sign-ins or leave them out',
  ];
  return remarks.flatMap((message) => (message ? [{ status: 'warning', message }] : []));
}

function unprotected(metadata: ServerMetadata, options: Provider['options']): Remark[] {
  return disagreements(metadata, options).map(({ message, isFatal }) => ({
    status: isFatal ? 'error' : 'warning',
    message,
  }));
}
