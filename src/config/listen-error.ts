import { ConfigurationError } from './load.ts';

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is taken; stop what listens there, or choose another',
  EACCES: 'may not be used by this user; choose one above 1023, or grant the right to it',
  EADDRNOTAVAIL: 'is not possible, because this machine has no such address; correct the host',
  ENOTFOUND: 'is not possible, because the host is unknown; correct it',
};

/**
 * Translates the error of a failed listener into a hint for the operator. Any other error is
 * returned unchanged.
 */
export function listenFailure(
  block: 'server' | 'management',
  { host, port }: { readonly host: string; readonly port: number },
  error: unknown,
): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  const reason = reasons[code];
  if (!reason) return error;
  return new ConfigurationError([{ path: [block, 'port'], message: `${host}:${port} ${reason}` }]);
}
