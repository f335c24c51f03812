import { lookup as systemLookup, Resolver } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';

/** Finds the addresses of a host name. Rejects if it has none. */
export type ResolveHost = (hostname: string, signal: AbortSignal) => Promise<readonly string[]>;

/** Which addresses may be connected to. */
export interface AddressRules {
  /** The hosts that may have any address. `undefined` if only public hosts are allowed. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Whether hosts of the own computer are allowed, as in development. */
  readonly allowsLoopback: boolean;
}

/**
 * Finds the addresses of a host and checks them. Throws if one of them is not allowed: a host with
 * a public and a private address is not what a client needs. `host` is that of a URL, where an IPv6
 * address has brackets.
 */
export async function checkedAddresses(
  host: string,
  signal: AbortSignal,
  { allowedHosts, allowsLoopback }: AddressRules,
  resolveHost: ResolveHost = resolverFor(allowedHosts),
): Promise<readonly string[]> {
  const literal = host.replace(/^\[(.*)\]$/, '$1');
  const addresses = isIP(literal) ? [literal] : await resolveHost(host, signal);
  const mayBeAny = allowedHosts?.includes(host) ?? false;
  const isAllowed = (address: string) =>
    mayBeAny || isPublicAddress(address) || (allowsLoopback && isLoopbackAddress(address));
  const refused = addresses.find((address) => !isAllowed(address));
  if (refused !== undefined)
    throw new Error(`${host} has the address ${refused}, not a public one`);
  if (addresses.length === 0) throw new Error(`${host} has no address`);
  return addresses;
}

/**
 * Returns a lookup for sockets that knows only these addresses. The socket connects to an address
 * that was checked, whatever the name resolves to by then (DNS rebinding).
 */
export function lookupOf(addresses: readonly string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_hostname, { all, family }, callback) => {
    const usable = family === 4 || family === 6 ? found.filter((f) => f.family === family) : found;
    const [first] = usable;
    if (!first) callback(new Error('the host has no address of this family'), '');
    else if (all) callback(null, usable);
    else callback(null, first.address, first.family);
  };
}

/**
 * Resolves names by DNS alone. The system's resolver would keep one of the few threads of the
 * process while the name server of an attacker does not respond. Names that the operator allows
 * may be in `/etc/hosts`, so the system resolves those.
 */
function resolverFor(allowedHosts: readonly string[] = []): ResolveHost {
  return async (hostname, signal) => {
    if (hostname === 'localhost' || hostname.endsWith('.localhost')) return ['127.0.0.1', '::1'];
    if (allowedHosts.includes(hostname)) {
      const found = await systemLookup(hostname, { all: true });
      return found.map(({ address }) => address);
    }
    const resolver = new Resolver({ timeout: 2000, tries: 2 });
    const cancel = () => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const families = [resolver.resolve4(hostname), resolver.resolve6(hostname)];
      const results = await Promise.allSettled(families);
      return results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}
