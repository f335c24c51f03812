/** The address of one upstream server, and its `Host` header. */
export interface UpstreamAddress {
  readonly origin: string;
  readonly host: string;
  /** Prepended to every path. Has no trailing slash. */
  readonly basePath: string;
  /** Path of the Unix socket. `undefined` for TCP. */
  readonly socketPath?: string;
}

/** Parses a validated upstream address: a URL, or `unix:` followed by the path of a socket. */
export function parseAddress(address: string): UpstreamAddress {
  if (address.startsWith('unix:')) {
    const socketPath = address.slice('unix:'.length);
    return { origin: 'http://localhost', host: 'localhost', basePath: '', socketPath };
  }
  const { origin, host, pathname } = new URL(address);
  return { origin, host, basePath: pathname.replace(/\/$/, '') };
}
