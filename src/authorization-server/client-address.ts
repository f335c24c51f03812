import { isIPv6 } from 'node:net';
import { plainAddress, TrustedPeers } from '../proxy/headers/trusted-peers.ts';

/** The part of a request that tells where it comes from. */
interface RequestSource {
  readonly req: { readonly socket: { readonly remoteAddress?: string | undefined } };
  get(header: string): string;
}

/**
 * Returns a function that finds the address of the client of a request, for limits: the last
 * address of `X-Forwarded-For` that is no trusted proxy, if the request came through trusted
 * proxies. Of an IPv6 address it is the network, like `2001:db8:0:1::/64`, in which one client has
 * as many addresses as it wants.
 */
export function clientAddress({
  trustedProxies,
}: {
  readonly trustedProxies: readonly string[];
}): (request: RequestSource) => string {
  const trusted = new TrustedPeers(trustedProxies);
  return (request) => {
    let address = plainAddress(request.req.socket.remoteAddress);
    const forwarded = request.get('X-Forwarded-For').split(',');
    while (trusted.includes(address)) {
      const previous = forwarded.pop()?.trim();
      if (!previous) break;
      address = plainAddress(previous);
    }
    return isIPv6(address) ? networkOf(address) : address;
  };
}

/** The first four of the eight groups of an IPv6 address, of which `::` leaves zeros out. */
function networkOf(address: string): string {
  const [left = [], right = []] = address
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':')));
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
