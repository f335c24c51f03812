import { plainAddress, TrustedPeers } from '../proxy/headers/trusted-peers.ts';

/** The part of a request that tells where it comes from. */
interface RequestSource {
  readonly req: { readonly socket: { readonly remoteAddress?: string | undefined } };
  get(header: string): string;
}

/**
 * Returns a function that finds the address of the client of a request: the last address of
 * `X-Forwarded-For` that is no trusted proxy, if the request came through trusted proxies.
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
    return address;
  };
}
