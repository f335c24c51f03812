import { plainAddress, TrustedPeers } from '../../src/proxy/headers/trusted-peers.ts';

describe('server.trustedProxies', () => {
  const peers = new TrustedPeers(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1']);

  it.each(['10.0.0.1', '10.255.255.255', '192.0.2.7', '2001:db8::5', '::1', '::ffff:10.1.2.3'])(
    'trusts %s',
    (address) => {
      expect(peers.includes(plainAddress(address))).toBe(true);
    },
  );

  it.each(['11.0.0.1', '192.0.2.8', '127.0.0.1', '2001:db9::1', '::2', '::ffff:11.0.0.1', ''])(
    'does not trust %j',
    (address) => {
      expect(peers.includes(plainAddress(address))).toBe(false);
    },
  );

  it('trusts no peer when it is empty', () => {
    expect(new TrustedPeers([]).includes('127.0.0.1')).toBe(false);
  });
});

it.each([
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['10.0.0.1', '10.0.0.1'],
  ['::1', '::1'],
  ['::ffff:0:1', '::ffff:0:1'],
  [undefined, ''],
])('the address %s of a socket is %j', (address, plain) => {
  expect(plainAddress(address)).toBe(plain);
});
