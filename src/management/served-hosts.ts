import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Whether a request may be served for what its `Host` names: an IP address, `localhost` or one of `hosts` (lower case, no
 * trailing dot). A web page whose own name leads to this listener (DNS rebinding) sends that name. A request without
 * `Host`, which only HTTP/1.0 allows (RFC 9112 §3.2), is served: no browser sends one, some health checks do.
 */
export function isServedHost(
  { headersDistinct: { host: values = [] } }: Pick<IncomingMessage, 'headersDistinct'>,
  hosts: readonly string[],
): boolean {
  return values.every((value) => {
    const name = hostNameIn(value);
    return isIP(name) !== 0 || name === 'localhost' || hosts.includes(name);
  });
}

/** The host of `host:port` (RFC 9110 §7.2) in lower case, without brackets and without the dot of a DNS root. */
function hostNameIn(value: string): string {
  const [, address, name = ''] =
    /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+))(?::\d{0,5})?$/i.exec(value) ?? [];
  return address ?? name.toLowerCase().replace(/\.$/, '');
}
