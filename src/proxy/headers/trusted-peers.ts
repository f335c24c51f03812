import { BlockList, isIPv6 } from 'node:net';

/** The addresses and networks whose forwarding headers are trusted (`server.trustedProxies`). */
export class TrustedPeers {
  readonly #addresses = new BlockList();
  readonly #isEmpty: boolean;

  /** Takes IP addresses and CIDR blocks. An empty list trusts no peer. */
  constructor(addresses: readonly string[]) {
    this.#isEmpty = addresses.length === 0;
    for (const address of addresses) {
      const [host = '', prefix] = address.split('/');
      const family = isIPv6(host) ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#addresses.addAddress(host, family);
      else this.#addresses.addSubnet(host, Number(prefix), family);
    }
  }

  /** Whether the remote address of a socket is trusted. */
  includes(address: string): boolean {
    if (this.#isEmpty) return false;
    return this.#addresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/** Removes the IPv6 prefix of a mapped IPv4 address: `::ffff:10.0.0.1` becomes `10.0.0.1`. */
export function plainAddress(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
