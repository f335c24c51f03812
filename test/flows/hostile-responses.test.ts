import {
  type Arrange,
  canary,
  withoutViolations,
  denied,
  expired,
  failed,
  HostileServerSetup,
  type Misbehaviour,
  refused,
  unavailable,
} from '../support/authorization-server/hostile-server-setup.ts';
import { changed, untilCallback } from './steps.ts';

/** The browser comes back with other parameters; null takes one away. */
const back =
  (changes: Record<string, string | null>): Arrange =>
  (setup) =>
    void (setup.callback = (address) => changed(address, changes));

/** The same, and the response is refused before it costs the state anything. */
const unspent =
  (arrange: Arrange): Arrange =>
  (setup) => {
    setup.leavesPendingLogin = true;
    return arrange(setup);
  };

/** The browser comes back with a parameter twice. */
const twice = (name: string): Arrange =>
  unspent((setup) => {
    setup.callback = (address) => {
      const doubled = new URL(address);
      doubled.searchParams.append(name, 'x');
      doubled.searchParams.append(name, 'y');
      return doubled;
    };
  });

const state =
  (change: (state: string) => string): Arrange =>
  (setup) =>
    void (setup.callback = (address) =>
      changed(address, { state: change(address.searchParams.get('state') ?? '') }));

const iss =
  (change: (issuer: string) => string): Arrange =>
  (setup) =>
    void (setup.callback = (address) => changed(address, { iss: change(setup.server.issuer) }));

const refusal = (error: string, more: Record<string, string> = {}) =>
  back({ error, code: null, ...more });

const swapCase = (text: string) =>
  text.replace(/[a-z]/gi, (letter) =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  );

const odd = `${canary}"><script>alert(1)</script>\r\nSet-Cookie: x=y\u001b[2J\u202e`;

/**
 * What the browser brings back from an authorization server. Nothing of it may reach the token
 * endpoint but a good code.
 */
const responses: readonly Misbehaviour[] = [
  [
    'H-01',
    'another browser brings it',
    unspent((setup) => {
      setup.callback = (address) => {
        setup.visitor = setup.browser();
        return address;
      };
    }),
    expired,
  ],
  [
    'H-01',
    'the sign-in has expired',
    (setup) => {
      setup.callback = async (address) => {
        await setup.bff.redis.clear();
        return address;
      };
    },
    expired,
  ],
  ['H-02', 'no state', unspent(back({ state: null })), expired],
  ['H-02', 'an empty state', unspent(back({ state: '' })), expired],
  ['H-02', 'another state', unspent(back({ state: 'x'.repeat(43) })), expired],
  ['H-02', 'a shorter state', unspent(state((text) => text.slice(0, -1))), expired],
  ['H-02', 'a longer state', unspent(state((text) => `${text}A`)), expired],
  ['H-02', 'a state in other letters', unspent(state(swapCase)), expired],
  ['H-02', 'a state with a line break', unspent(state((text) => `${text}\r\n`)), expired],
  ['H-04', 'no code', back({ code: null }), refused],
  ['H-04', 'an empty code', back({ code: '' }), refused],
  ['H-04', 'a code of 64 kB', unspent(back({ code: canary.repeat(11_000) })), [431, undefined]],
  ['H-04', 'a long code with everything in it', back({ code: odd.repeat(20) }), failed],
  ['H-05', 'the code twice', twice('code'), refused],
  ['H-05', 'the state twice', twice('state'), refused],
  ['H-05', 'iss twice', twice('iss'), refused],
  ['H-05', 'error twice', twice('error'), refused],
  ['H-05', 'response twice', twice('response'), refused],
  ['H-05', 'the code as a list', back({ code: null, 'code[]': 'x' }), refused],
  ['H-05', 'the code as an object', back({ code: null, 'code[a]': 'x' }), refused],
  ['H-06', 'no iss, though it is promised', back({ iss: null }), refused],
  ['H-06', 'an empty iss', back({ iss: '' }), refused],
  ['H-06', 'the iss of somebody else', back({ iss: `https://${canary}.example` }), refused],
  ['H-06', 'iss with a slash', iss((issuer) => `${issuer}/`), refused],
  ['H-06', 'iss in capitals', iss((issuer) => issuer.toUpperCase()), refused],
  ['H-06', 'iss with another scheme', iss((issuer) => issuer.replace('http:', 'https:')), refused],
  [
    'H-06',
    'iss with another host',
    iss((issuer) => issuer.replace('127.0.0.1', 'localhost')),
    refused,
  ],
  [
    'H-07',
    'the code of another sign-in',
    unspent(async (setup) => {
      const other = await untilCallback(setup.bff, setup.browser(), { login_hint: 'bob' });
      const code = other.searchParams.get('code');
      setup.callback = (address) => changed(address, { code });
    }),
    failed,
  ],
  ['H-09', 'access_denied', refusal('access_denied'), denied],
  [
    'H-10',
    'a description with markup',
    refusal('access_denied', { error_description: odd }),
    denied,
  ],
  [
    'H-10',
    'a description of 8 kB',
    refusal('access_denied', { error_description: canary.repeat(1300) }),
    denied,
  ],
  ['H-10', 'an error with markup', refusal('<script>alert(1)</script>\r\n\u001b[2J'), failed],
  [
    'H-11',
    'an error_uri with a script',
    refusal('server_error', { error_uri: `javascript:${canary}` }),
    failed,
  ],
  ['H-12', 'an error beside a code', back({ error: 'access_denied' }), denied],
  ['H-12', 'an empty error beside a code', back({ error: '' }), failed],
  ['H-13', 'an ID token', back({ id_token: `${canary}.b.c` }), refused],
  ['H-13', 'an access token', back({ access_token: canary }), refused],
  ['H-13', 'a token', back({ token: canary }), refused],
  ['H-14', 'a signed response nobody asked for', back({ response: `${canary}.b.c` }), refused],
  [
    'H-16',
    'everything behind a #',
    unspent((setup) => void (setup.callback = intoFragment)),
    expired,
  ],
  ['H-17', 'login_required', refusal('login_required'), denied],
  ['H-17', 'interaction_required', refusal('interaction_required'), denied],
  ['H-17', 'consent_required', refusal('consent_required'), denied],
  ['H-17', 'account_selection_required', refusal('account_selection_required'), denied],
  ['H-17', 'temporarily_unavailable', refusal('temporarily_unavailable'), unavailable],
  ['H-17', 'invalid_scope', refusal('invalid_scope'), failed],
  ['H-17', 'an error of 8 kB', refusal('x'.repeat(8192)), failed],
];

function intoFragment(address: URL): URL {
  const moved = new URL(address);
  moved.hash = address.search.slice(1);
  moved.search = '';
  return moved;
}

describe('an authorization response with', () => {
  let setup: HostileServerSetup;
  beforeAll(async () => {
    setup = await HostileServerSetup.start();
  });
  afterAll(() => setup.close());
  beforeEach(() => setup.reset());

  it.each(responses)('(%s) %s', async (id, _, arrange, outcome) => {
    expect(await setup.run(arrange)).toEqual(withoutViolations(outcome));
    const spends = ['H-07', 'H-04'].includes(id) && outcome === failed;
    expect(setup.server.tokenRequests()).toHaveLength(spends ? 1 : 0);
  });

  it('nothing wrong signs in', async () => {
    expect(await setup.run()).toEqual(withoutViolations('signed in'));
  });
});
