import { globSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

interface Service {
  readonly image?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly ports?: readonly string[];
}

/** Keycloak's `start-dev` builds itself anew in its own folder. */
const writable = new Set(['keycloak']);

const services = globSync('docker-compose*.yml').flatMap((file) => {
  const { services: all } = parse(readFileSync(file, 'utf8'), { merge: true }) as {
    services: Readonly<Record<string, Service>>;
  };
  return Object.entries(all).map(
    ([name, service]) => [`${name} of ${file}`, name, service] as const,
  );
});

it.each(services)(
  '%s has no capability, no way to more privileges and a read-only root',
  (_, name, service) => {
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    expect(service.read_only ?? writable.has(name)).toBe(true);
  },
);

it.each(services)(
  '%s is published on the loopback interface alone, from a pinned image',
  (_, _name, service) => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    expect(service.image ?? 'built:here').toMatch(/:(?!latest$)[\w.-]+$/);
  },
);

it('the image of the product does not run as root', () => {
  const dockerfile = readFileSync('Dockerfile', 'utf8');
  expect(dockerfile.slice(dockerfile.lastIndexOf('FROM '))).toMatch(/^USER node$/m);
});
