import { BlockList, isIP } from 'node:net';

/** IPv4 networks that are not public, and those where packets end elsewhere (RFC 6890). */
const specialIpv4 = new BlockList();
for (const network of [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // carrier-grade NAT (RFC 6598)
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link-local, with the metadata services of clouds
  '168.63.129.16/32', // platform services of Azure
  '172.16.0.0/12', // private
  '192.0.0.0/24', // protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16', // private
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/3', // multicast, reserved, broadcast
]) {
  const [address = '', prefix] = network.split('/');
  specialIpv4.addSubnet(address, Number(prefix));
}

/** The part of IPv6 that is assigned to public networks (RFC 4291 §2.4). */
const globalIpv6 = new BlockList();
globalIpv6.addSubnet('2000::', 3, 'ipv6');

/** Networks inside of it that are not, or that carry an IPv4 address. */
const specialIpv6 = new BlockList();
for (const [address, prefix] of [
  ['2001::', 23], // Teredo, benchmarks, ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4
  ['2620:4f:8000::', 48], // AS112
  ['3fff::', 20], // documentation
] as const)
  specialIpv6.addSubnet(address, prefix, 'ipv6');

/** What each address of the own computer is in. IPv4-mapped ones are not. */
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
const loopbackIpv6 = '::1';

/**
 * Whether an IP address belongs to a public host. Everything that is not clearly public is refused:
 * IPv4-mapped addresses and NAT64 too, which lead to an IPv4 address of any kind.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !specialIpv4.check(address);
    case 6:
      return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Whether an IP address is that of the own computer: `127.0.0.0/8` or `::1`. */
export function isLoopbackAddress(address: string): boolean {
  return isIP(address) === 4 ? loopback.check(address) : address === loopbackIpv6;
}
