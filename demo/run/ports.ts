import { createServer } from 'node:net';
import { DemoError } from './demo-error.ts';

/** A port of the demo: who wants it, and the variable that chooses another one. */
export interface DemoPort {
  readonly owner: string;
  readonly variable: string;
  readonly port: number;
}

/** The demo's four ports. */
export type DemoPorts = Readonly<
  Record<'bff' | 'authorizationServer' | 'api' | 'management', DemoPort>
>;

/**
 * Reads the ports from the environment. Throws a `DemoError` for one that is no port, and for one
 * that is given twice.
 */
export function readPorts(env: NodeJS.ProcessEnv): DemoPorts {
  const read = (owner: string, variable: string, usual: number): DemoPort => {
    const port = Number(env[variable] || usual);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return { owner, variable, port };
    throw new DemoError(`${variable} is ${env[variable]}, but a port is a number from 1 to 65535.`);
  };
  const ports = {
    bff: read('the BFF', 'DEMO_PORT', 8080),
    authorizationServer: read('the authorization server', 'DEMO_AUTH_PORT', 4000),
    api: read('the API', 'DEMO_API_PORT', 3000),
    management: read('the BFF’s health', 'DEMO_MANAGEMENT_PORT', 9090),
  };
  requireDifferent(Object.values(ports));
  return ports;
}

function requireDifferent(ports: readonly DemoPort[]): void {
  for (const [index, { variable, port }] of ports.entries()) {
    const twin = ports.slice(index + 1).find((other) => other.port === port);
    if (twin) throw new DemoError(`${variable} and ${twin.variable} are both ${port}.`);
  }
}

/** Throws a `DemoError` that names every port somebody else listens on. */
export async function requireFree(ports: DemoPorts): Promise<void> {
  const wanted = Object.values(ports);
  const taken = await Promise.all(wanted.map(async ({ port }) => !(await isFree(port))));
  const sentences = wanted.filter((_, index) => taken[index]).map(sentence);
  if (sentences.length > 0) throw new DemoError(sentences.join('\n'));
}

function sentence({ owner, variable, port }: DemoPort): string {
  return `Port ${port} is taken, and ${owner} wants it. Stop what listens there, or choose another port: ${variable}=${port + 1} npm run demo`;
}

/** Free on both loopback addresses: `localhost` in a browser may mean either. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, '127.0.0.1')) && (await canListen(port, '::1'));
}

function canListen(port: number, host: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createServer();
  // A machine without IPv6 refuses the address; nobody else can listen there either.
  probe.once('error', ({ code }: NodeJS.ErrnoException) =>
    resolve(code !== 'EADDRINUSE' && code !== 'EACCES'),
  );
  probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  return promise;
}

/** A port nobody uses at the moment. */
export async function findFreePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const probe = createServer().once('error', reject);
  probe.listen(0, '127.0.0.1', () => {
    const address = probe.address();
    probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
  return promise;
}
