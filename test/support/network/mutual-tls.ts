import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Configuration } from 'oidc-provider';
import type { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import { RecordedRequest } from '../upstream/recorder.ts';
import { testTls } from './tls.ts';
import { closeServer, listen } from '../upstream/upstream.ts';

/** The client certificate of a request, in PEM; undefined when none was shown. */
export function shownCertificate(request: IncomingMessage): string | undefined {
  return (request.socket as TLSSocket).getPeerX509Certificate?.()?.toString();
}

/**
 * A second address of an authorization server, which requests client certificates: its
 * `mtls_endpoint_aliases`.
 */
export class MutualTlsEndpoint {
  readonly url: string;
  readonly requests: RecordedRequest[] = [];
  readonly #server: Server;
  #behind: AuthorizationServer | undefined;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `https://127.0.0.1:${port}`;
    server.on('request', (request, response) => void this.#respond(request, response));
  }

  static async start(): Promise<MutualTlsEndpoint> {
    const { key, cert, ca } = testTls();
    const server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false });
    return new MutualTlsEndpoint(server, (await listen(server, 0)).port);
  }

  /** Forwards requests to this server from now on. */
  leadTo(server: AuthorizationServer): void {
    this.#behind = server;
  }

  /** The oidc-provider configuration for these endpoints. */
  readonly configuration = (defaults: Configuration): Configuration => ({
    ...defaults,
    clientAuthMethods: [
      'client_secret_basic',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
    ],
    discovery: {
      mtls_endpoint_aliases: {
        token_endpoint: `${this.url}/token`,
        revocation_endpoint: `${this.url}/token/revocation`,
        userinfo_endpoint: `${this.url}/me`,
        pushed_authorization_request_endpoint: `${this.url}/request`,
      },
    },
    features: {
      ...defaults.features,
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        getCertificate: ({ req }) => shownCertificate(req),
        certificateAuthorized: ({ req }) => (req.socket as TLSSocket).authorized,
        certificateSubjectMatches: ({ req }, _property, expected) =>
          (req.socket as TLSSocket).getPeerX509Certificate()?.subject === expected,
      },
    },
  });

  async close(): Promise<void> {
    await closeServer(this.#server);
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(new RecordedRequest(request));
    await this.#behind?.provider.callback()(request, response);
  }
}
