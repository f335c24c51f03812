import { isIP } from 'node:net';
import { refuse, scalar, text } from './scalar.ts';

/** The BFF's public origin: https, or http on exactly `localhost` or `127.0.0.1`. */
export function publicOrigin() {
  return text((value) => {
    const url = originUrl(value);
    const isLocal = url.hostname === 'localhost' || url.hostname === '127.0.0.1';
    if (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)) return url.origin;
    return refuse('must be https; http works only on localhost or 127.0.0.1, for development');
  });
}

/** An origin that browsers can be redirected to: https, or http on a loopback host. */
export function browserOrigin() {
  return text((value) => secured(originUrl(value)).origin);
}

/** An origin in the operator's internal network. Plain http is allowed. */
export function internalOrigin() {
  return text((value) => webServer(originUrl(value)).origin);
}

/** An issuer identifier, unchanged. Tokens are compared with it by code point (RFC 8414 §3.3). */
export function issuerIdentifier() {
  return text((value) => {
    const url = secured(parseUrl(value));
    if (url.search || value.includes('?') || value.includes('#'))
      refuse('must have no query and no fragment (RFC 8414 §2)');
    return value;
  });
}

/**
 * An endpoint of an authorization server without fragment: https, or http on a loopback host (RFC
 * 6749 §3.1).
 */
export function endpointAddress() {
  return text((value) => {
    const url = secured(parseUrl(value));
    if (value.includes('#')) refuse('must have no fragment');
    return url.href;
  });
}

/** The URL of an upstream, with an optional path prefix and without a trailing slash. */
export function serverAddress() {
  return text(readServerAddress);
}

/** One or more servers of an upstream. Their addresses differ only in host and port. */
export function upstreamAddresses() {
  return scalar<readonly string[], string | readonly string[]>((value) => {
    const listed: unknown[] = Array.isArray(value) ? value : [value];
    if (listed.length === 0) refuse('needs one address');
    const addresses = listed.map((one) =>
      typeof one === 'string'
        ? readUpstreamAddress(one)
        : refuse('must be an address like http://api:3000'),
    );
    if (new Set(addresses).size < addresses.length) refuse('names the same address twice');
    if (new Set(addresses.map(kindOfAddress)).size > 1)
      refuse(
        `lists ${addresses.join(', ')}; the servers of one upstream must have the same scheme ` +
          'and path',
      );
    return addresses;
  });
}

/** The URL of a standalone Redis. It can contain a password, so messages never quote it. */
export function redisAddress() {
  return text((value) => {
    const url = /^rediss?:\/\//i.test(value) && !/\s/.test(value) ? URL.parse(value) : null;
    if (!url?.hostname) refuse('must be an address like redis://redis:6379 or rediss://redis:6380');
    if (!/^(\/\d*)?$/.test(url.pathname) || url.search || url.hash)
      refuse('may end in a database number (redis://redis:6379/2) and in nothing else');
    if (!isDecodable(url.username + url.password))
      refuse('has a % in its user or password that encodes nothing; write %25 for it');
    return value;
  });
}

/** A server as `host:port`. An IPv6 address is in brackets. */
export function serverAndPort() {
  return text((value) => {
    const [, host = '', port = ''] = /^([^\s/@:[\]]+|\[[^\]]+\]):(\d{1,5})$/.exec(value) ?? [];
    const isAddress = !host.startsWith('[') || isIP(host.slice(1, -1)) === 6;
    if (!host || !isAddress || Number(port) < 1 || Number(port) > 65_535)
      refuse('must be host:port, like redis-1:6379; no scheme, user or password');
    return value;
  });
}

/** A DNS host name, converted to lower case and without a trailing dot. */
export function hostName() {
  return text((value) => {
    const name = value.toLowerCase().replace(/\.$/, '');
    if (name.length > 253 || !name.split('.').every((label) => /^[\w-]{1,63}$/.test(label)))
      refuse('must be a host name like bff.example.com; no scheme, port, path or wildcard');
    return name;
  });
}

/** An IP address or a range such as `10.0.0.0/8`. */
export function addressRange() {
  return text((value) => {
    const [address = '', prefix, ...rest] = value.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
    if (bits < 0 || rest.length > 0 || length < 0 || length > bits)
      refuse('must be an IP address or a range like 10.0.0.0/8; host names do not work here');
    return value;
  });
}

/** Reads `http(s)://host:port/path`, or `unix:/path/of.sock` for a local server. */
function readUpstreamAddress(value: string): string {
  if (!value.startsWith('unix:')) return readServerAddress(value);
  if (!/^unix:\/(?!\/)[^\s?#]+$/.test(value))
    refuse('must name a socket by its absolute path, like unix:/run/api.sock');
  return value;
}

/**
 * The protocol and path, which all servers of an upstream share. A socket counts as http without a
 * path prefix.
 */
function kindOfAddress(address: string): string {
  if (address.startsWith('unix:')) return 'http:/';
  const { protocol, pathname } = new URL(address);
  return protocol + pathname;
}

function readServerAddress(value: string): string {
  const url = webServer(parseUrl(value));
  if (value.includes('?') || value.includes('#')) refuse('must have no query and no fragment');
  return url.href.replace(/\/+$/, '');
}

function originUrl(value: string): URL {
  const url = parseUrl(value);
  if (url.pathname !== '/' || value.includes('?') || value.includes('#'))
    refuse('must be an origin only, like https://app.example.com: no path, query or fragment');
  return url;
}

/** Refuses spaces, backslashes and missing slashes, which `new URL` would silently correct. */
function parseUrl(value: string): URL {
  const url = /^[a-z]+:\/\/[^\s\\]+$/i.test(value) ? URL.parse(value) : null;
  if (!url?.hostname) refuse('must be a complete address, like https://login.example.com');
  if (url.username || url.password) refuse('must not contain a user name or password');
  return url;
}

function webServer(url: URL): URL {
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    refuse('must begin with http:// or https://');
  return url;
}

function secured(url: URL): URL {
  if (webServer(url).protocol === 'http:' && !isLoopback(url.hostname))
    refuse('must be https; http works only on a loopback host such as localhost');
  return url;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function isDecodable(value: string): boolean {
  try {
    decodeURIComponent(value);
    return true;
  } catch {
    return false;
  }
}
