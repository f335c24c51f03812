import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { addressRange, hostName } from '../values/addresses.ts';
import { readableFile } from '../values/paths.ts';
import { listOf, port, readWholeNumber, refuse, scalar, text } from '../values/scalar.ts';

const tls = z
  .strictObject({
    cert: readableFile().describe(
      'PEM file with the certificate and its chain. With it the BFF serves HTTPS itself ' +
        'instead of leaving that to a proxy in front of it.',
    ),
    key: readableFile().describe('PEM file with the private key of that certificate.'),
  })
  .optional();

/** The listener for browsers, directly or behind a load balancer. */
export const server = z
  .strictObject({
    port: port()
      .prefault(8080)
      .describe(
        'Port of the application. Replicas may differ; addresses for browsers come from ' +
          '`publicUrl` only.',
      ),
    host: text()
      .prefault('0.0.0.0')
      .describe(
        'Network address to bind to. `127.0.0.1` makes the BFF reachable from its own machine ' +
          'only.',
      ),
    trustedProxies: listOf(addressRange())
      .prefault([])
      .describe(
        'Addresses or ranges of the load balancers in front of the BFF. Their `Forwarded` and ' +
          '`X-Forwarded-For` are extended, their `X-Forwarded-Port` and trace headers passed ' +
          'on; from other clients these headers are removed. Other headers about the client are ' +
          'always removed.',
      ),
    tls,
    workers: workerCount()
      .prefault(1)
      .describe(
        'Number of processes that share the port, to use more than one processor core; `auto` ' +
          'starts one per core. More than one needs `redis`. Only for `pixie-bff serve`: a host ' +
          'application manages its own processes.',
      ),
  })
  .prefault({})
  .describe('The listener that browsers reach, directly or through a load balancer.');

/** The listener for operators and monitoring. */
export const management = z
  .strictObject({
    port: port()
      .prefault(9090)
      .describe(
        'Port of `/livez`, `/readyz`, `/metrics` and `/sessions`. It speaks plain HTTP: keep ' +
          'it away from the internet.',
      ),
    host: text()
      .prefault('127.0.0.1')
      .describe(
        'Network address of the management port. Set `0.0.0.0` if an orchestrator sends ' +
          'requests from outside the machine or container.',
      ),
    hosts: listOf(hostName())
      .prefault([])
      .describe(
        'Host names of the management port, such as `bff` for `http://bff:9090/metrics`. IP ' +
          'addresses and `localhost` always work; a request whose `Host` is any other name gets ' +
          '`421`, so that no web page reaches this port by DNS rebinding.',
      ),
    token: managementToken()
      .optional()
      .describe(
        'Bearer token for `/sessions`, which lists and ends sessions (`openssl rand -hex ' +
          '32`). Without it there is no such address.',
      ),
  })
  .prefault({})
  .describe('Health, metrics and the administration of sessions, on a separate port.');

function workerCount() {
  return scalar<number, number | string>((value) => {
    if (value === 'auto') return availableParallelism();
    return (
      readWholeNumber(value, 1, 1024) ?? refuse('must be a whole number from 1 to 1024, or auto')
    );
  });
}

function managementToken() {
  return text((token) => {
    const advice = 'make one with: openssl rand -hex 32';
    // No client could send any other token (RFC 6750 §2.1).
    if (!/^[\x21-\x7e]+$/.test(token)) refuse(`may contain only ASCII without spaces; ${advice}`);
    return token;
  });
}
