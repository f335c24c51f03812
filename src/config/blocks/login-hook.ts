import { z } from 'zod';
import { endpointAddress } from '../values/addresses.ts';
import { readableFile } from '../values/paths.ts';
import { rule } from '../values/rule.ts';
import { duration, refuse, text } from '../values/scalar.ts';

/** The HTTP hook, a service that can add claims to users or refuse them. */
export const loginHook = z
  .strictObject({
    url: endpointAddress().describe(
      'Where each sign-in is reported by `POST`, and each user whose claims are read again. ' +
        'https, or http on a loopback host. See [hook.md](hook.md).',
    ),
    token: text(readToken).describe(
      'Bearer token that the hook gets with every request (`openssl rand -hex 32`). It must ' +
        'check it.',
    ),
    timeout: duration({ atMost: '30s' })
      .prefault('2s')
      .describe('How long the whole exchange with the hook may take. A sign-in waits for it.'),
    ca: readableFile()
      .optional()
      .describe('PEM file with the authorities to trust for the hook, instead of the usual ones.'),
    clientCert: readableFile()
      .optional()
      .describe('PEM file with the client certificate to show to the hook, and its chain.'),
    clientKey: readableFile()
      .optional()
      .describe('File with the private key of that certificate: PEM, or a JWK.'),
  })
  .check(
    rule(['clientCert', 'clientKey'], ({ clientCert, clientKey }, report) => {
      if (clientCert && !clientKey)
        report(['clientKey'], 'is required because login.hook.clientCert is set');
      if (clientKey && !clientCert)
        report(['clientCert'], 'is required because login.hook.clientKey is set');
    }),
    rule(['url', 'ca', 'clientCert'], ({ url, ...files }, report) => {
      if (!url.startsWith('http:')) return;
      for (const option of ['clientCert', 'ca'] as const)
        if (files[option]) report([option], `is set, but url ${url} is not https; remove it`);
    }),
  )
  .optional()
  .describe(
    'A service of yours that adds claims to users or refuses them, at every sign-in and whenever ' +
      'claims are read again. Without it, the provider alone decides.',
  );

function readToken(token: string): string {
  // No header could carry any other token (RFC 6750 §2.1).
  return /^[\x21-\x7e]+$/.test(token)
    ? token
    : refuse('may contain only ASCII without spaces; make one with: openssl rand -hex 32');
}
