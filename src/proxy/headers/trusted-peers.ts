import { BlockList, isIPv6 } from 'node:net';

/** The addresses and networks whose forwarding headers are believed (`server.trustedProxies`). */
export class TrustedPeers {
  readonly #addresses = new BlockList();
  readonly #isEmpty: boolean;

  /** Addresses or CIDR blocks. Empty: nobody is trusted. */
  constructor(addresses: readonly string[]) {
    this.#isEmpty = addresses.length === 0;
    for (const address of addresses) {
      const [host = '', prefix] = address.split('/');
      const family = isIPv6(host) ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#addresses.addAddress(host, family);
      else this.#addresses.addSubnet(host, Number(prefix), family);
    }
  }

  /** Whether a socket's remote address is one of them. */
  includes(address: string): boolean {
    if (this.#isEmpty) return false;
    return this.#addresses.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }
}

/** A socket's address in its plain form: `::ffff:10.0.0.1` is `10.0.0.1`. */
export function plainAddress(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
