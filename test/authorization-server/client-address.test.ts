import { clientAddress } from '../../src/authorization-server/client-address.ts';

const addressOf = (remoteAddress: string, forwardedFor = '') =>
  clientAddress({ trustedProxies: ['10.0.0.0/8', 'fd00::/8'] })({
    req: { socket: { remoteAddress } },
    get: () => forwardedFor,
  });

describe('the address of a client, by which it is limited', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['2001:0DB8:0:0001::ffff', '2001:db8:0:1::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('of %s is %s', (remote, address) => {
    expect(addressOf(remote)).toBe(address);
  });

  it('is the network of an IPv6 client behind trusted proxies', () => {
    expect(addressOf('10.0.0.1', '2001:db8:0:1::5')).toBe('2001:db8:0:1::/64');
    expect(addressOf('fd00::1', '2001:db8:0:1::6, 10.0.0.2')).toBe('2001:db8:0:1::/64');
  });

  it('is never what a client that is no trusted proxy says', () => {
    expect(addressOf('192.0.2.7', '2001:db8:0:1::5')).toBe('192.0.2.7');
    expect(addressOf('10.0.0.1', '198.51.100.1, 192.0.2.7')).toBe('192.0.2.7');
  });
});
