import { bearerRoute } from '../../../src/access/bearer/bearer-route.ts';
import { challengesFor, relayedChallenges } from '../../../src/access/bearer/challenge.ts';
import { BffError } from '../../../src/errors.ts';

const route = bearerRoute(
  { path: '/mcp', clients: ['bearer'], scopes: ['a', 'b'] },
  'https://app.example.com',
);
if (!route) throw new Error('the route accepts access tokens');

const where =
  'scope="a b", ' +
  'resource_metadata="https://app.example.com/.well-known/oauth-protected-resource/mcp"';
const algorithms = 'algs="ES256 Ed25519 EdDSA RS256 PS256"';

describe('challenges', () => {
  it('have no error for a request without a token (RFC 6750 §3.1)', () => {
    for (const authorization of [undefined, 'Basic YTpi', 'Bearers x'])
      expect(challengesFor(new BffError('not_signed_in'), route, authorization)).toEqual([
        `Bearer ${where}`,
        `DPoP ${algorithms}, ${where}`,
      ]);
  });

  it('say what is wrong with a token, in the scheme that it came with (RFC 9449 §7.1)', () => {
    const failure = new BffError('invalid_token');
    const error =
      'error="invalid_token", ' +
      'error_description="The access token is missing, expired or not valid here."';
    expect(challengesFor(failure, route, 'Bearer x')).toEqual([
      `Bearer ${error}, ${where}`,
      `DPoP ${algorithms}, ${where}`,
    ]);
    expect(challengesFor(failure, route, 'dpop x')).toEqual([
      `Bearer ${error}, ${where}`,
      `DPoP ${algorithms}, ${error}, ${where}`,
    ]);
  });

  it('name the sign-in that is needed, in one line of ASCII (RFC 9470 §3)', () => {
    const challenge = { acr_values: 'gold "x"\\\r\nX: é', max_age: undefined };
    const failure = new BffError('step_up_required', { challenge });
    const [first] = challengesFor(failure, route, 'Bearer x') ?? [];
    expect(first).toContain('Bearer error="insufficient_user_authentication", ');
    expect(first).toContain(String.raw`acr_values="gold \"x\"\\X: ", scope=`);
  });

  it('are those of a route alone without scopes', () => {
    const plain = { ...route, scopes: [] };
    const [first] = challengesFor(new BffError('not_signed_in'), plain, undefined) ?? [];
    expect(first).toBe(`Bearer resource_metadata="${route.metadataUrl}"`);
  });

  it.each([
    [new BffError('csrf'), undefined],
    [new BffError('not_allowed'), undefined],
    [new BffError('not_found'), 'Bearer x'],
    [new BffError('upstream_unreachable'), 'Bearer x'],
    [new BffError('not_signed_in', { detour: { status: 302, headers: {} } }), undefined],
    [new Error('any other'), 'Bearer x'],
  ])('are not sent for %p with %p', (failure, authorization) => {
    expect(challengesFor(failure, route, authorization)).toBeUndefined();
  });
});

describe('challenges of an upstream', () => {
  const relayed = (received: string | string[], authorization = 'Bearer x', isForwarded = true) =>
    relayedChallenges(received, route, authorization, isForwarded);

  it('keep their error, and lose their metadata', () => {
    const received = 'Bearer error="invalid_token", realm="x", resource_metadata="http://inside/"';
    const bearer = `Bearer error="invalid_token", ${where}`;
    expect(relayed(received)).toEqual([bearer, `DPoP ${algorithms}, ${where}`]);
    expect(relayed(['Basic realm="x"', received], 'DPoP x')).toEqual([
      bearer,
      `DPoP ${algorithms}, error="invalid_token", ${where}`,
    ]);
  });

  it.each(['use_dpop_nonce', 'invalid_dpop_proof', 'something_else'])(
    'do not tell the client about %s',
    (error) => {
      const received = `DPoP error="${error}", error_description="inside", algs="ES256"`;
      expect(relayed(received)).toEqual([`Bearer ${where}`, `DPoP ${algorithms}, ${where}`]);
    },
  );

  it('name scopes for the token of the client alone', () => {
    const received = 'bearer error="insufficient_scope", scope="files"';
    expect(relayed(received)?.[0]).toContain('scope="files"');
    expect(relayed(received, 'Bearer x', false)?.[0]).toContain('scope="a b"');
  });

  it('cannot add a header or a parameter', () => {
    const received = 'Bearer error="invalid_token", error_description="a\\", scope=\\"é\\"b"';
    expect(relayed(received)?.[0]).toBe(
      `Bearer error="invalid_token", error_description="a\\", scope=\\"\\"b", ${where}`,
    );
  });

  it.each([
    'Basic realm="bearer"',
    'Negotiate',
    'Basic realm="x", Digest nonce="dpop"',
    'Bearers x',
  ])('of other schemes are not ours: %s', (received) => {
    expect(relayed(received)).toBeUndefined();
  });
});
