import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * Whether the `Host` of a request is an IP address, `localhost` or one of `hosts` (lower case, no
 * trailing dot). A web page that reaches this listener by DNS rebinding sends its own host name. A
 * request without `Host`, which only HTTP/1.0 allows (RFC 9112 §3.2), is served: no browser sends
 * one, but some health checks do.
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

/** The host in `host:port` (RFC 9110 §7.2), in lower case, without brackets and trailing dot. */
function hostNameIn(value: string): string {
  const [, address, name = ''] =
    /^(?:\[([\da-f:.]+)\]|([^\s:[\]]+))(?::\d{0,5})?$/i.exec(value) ?? [];
  return address ?? name.toLowerCase().replace(/\.$/, '');
}
