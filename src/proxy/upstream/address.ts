/** Where one server of an upstream is, and what it is called in a request. */
export interface UpstreamAddress {
  readonly origin: string;
  readonly host: string;
  /** What is put in front of every path, without a trailing slash. */
  readonly basePath: string;
  /** Absent: it is reached over TCP. */
  readonly socketPath?: string;
}

/**
 * Reads an address as the configuration has accepted it: a URL, or `unix:` and the path of a
 * socket.
 */
export function parseAddress(address: string): UpstreamAddress {
  if (address.startsWith('unix:')) {
    const socketPath = address.slice('unix:'.length);
    return { origin: 'http://localhost', host: 'localhost', basePath: '', socketPath };
  }
  const { origin, host, pathname } = new URL(address);
  return { origin, host, basePath: pathname.replace(/\/$/, '') };
}
