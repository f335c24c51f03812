import { z } from 'zod';
import { endpointAddress, internalOrigin, issuerIdentifier } from '../values/addresses.ts';
import { rule } from '../values/rule.ts';
import { duration, flag, text } from '../values/scalar.ts';

const introspection = z
  .strictObject({
    endpoint: endpointAddress().describe(
      'Where the BFF asks whether an opaque access token is valid. https, or http on a loopback ' +
        'host.',
    ),
    clientId: text().describe('Client identifier of the BFF at that endpoint.'),
    clientSecret: text().describe('Client secret of the BFF at that endpoint.'),
    allowMissingAudience: flag()
      .prefault(false)
      .describe(
        'Whether a response without `aud` is accepted. The access tokens of every client of the ' +
          'issuer are then valid here, whatever they were issued for.',
      ),
  })
  .optional()
  .describe(
    'The issuer’s access tokens are opaque: each is checked at its introspection endpoint (RFC ' +
      '7662). A result is remembered for at most 60 seconds. Only one issuer may have this.',
  );

const bearerIssuer = z
  .strictObject({
    issuer: issuerIdentifier().describe(
      'Issuer identifier, exactly as in the access tokens. The keys are discovered below it.',
    ),
    audience: text().describe(
      'The audience that an access token must have (`aud`): the identifier of this application ' +
        'or API at the issuer.',
    ),
    internalUrl: internalOrigin()
      .optional()
      .describe('Origin for the BFF’s own requests to the issuer, instead of the issuer.'),
    timeout: duration({ atMost: '60s' })
      .prefault('10s')
      .describe('How long one request to the issuer may take.'),
    introspection,
  })
  .describe('An authorization server whose access tokens are accepted.');

/** Access tokens of other authorization servers that clients may call routes with. */
export const bearer = z
  .strictObject({
    issuers: z
      .array(bearerIssuer)
      .min(1, 'needs at least one issuer, or remove bearer')
      .describe('The authorization servers whose access tokens are accepted.'),
  })
  .check(
    rule(['issuers'], ({ issuers }, report) => {
      const introspecting: number[] = [];
      for (const [index, one] of issuers.entries()) {
        const first = issuers.findIndex(({ issuer }) => issuer === one.issuer);
        if (first < index)
          report(
            ['issuers', index, 'issuer'],
            `is ${one.issuer}, which is already the issuer of bearer.issuers[${first}]; remove one`,
          );
        if (one.introspection) introspecting.push(index);
      }
      const [first, second] = introspecting;
      if (second !== undefined)
        report(
          ['issuers', second, 'introspection'],
          `is set, but bearer.issuers[${first}] has one too, and an opaque token does not name ` +
            'its issuer; keep one of them',
        );
    }),
  )
  .optional()
  .describe(
    'Clients that send an access token of their own in `Authorization`, on routes whose `clients` ' +
      'include `bearer`. See [bearer.md](bearer.md).',
  );
