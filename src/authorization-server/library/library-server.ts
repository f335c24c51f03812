import type { Request, Response } from 'express';
import { errors, type Provider } from 'oidc-provider';
import { BffError } from '../../errors.ts';
import { limitedParameters } from '../../http/query.ts';
import type { Session } from '../../session/sessions/session.ts';
import type { AuthorizationRequest, AuthorizationServer } from '../authorization-server.ts';
import { type AuthorizationServerRoomOptions, mountName } from '../authorization-server-options.ts';
import { baseScope, withoutBaseScope } from './requests.ts';

type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>;

/** The authorization server for our own clients, on the library `oidc-provider`. */
export class LibraryServer implements AuthorizationServer {
  readonly #callback: ReturnType<Provider['callback']>;
  readonly #mountPath: string;

  constructor(
    private readonly library: Provider,
    private readonly options: AuthorizationServerRoomOptions,
  ) {
    this.#callback = library.callback();
    this.#mountPath = `${options.basePath}/${mountName}`;
  }

  async serve(request: Request, response: Response): Promise<void> {
    const path = request.originalUrl.slice(this.#mountPath.length);
    request.url = librarySees(path);
    await this.#callback(request, response);
  }

  async requestOf(request: Request, response: Response): Promise<AuthorizationRequest> {
    return this.#describe(await this.#interaction(request, response));
  }

  async approve(
    request: Request,
    response: Response,
    { scopes, resources, client }: AuthorizationRequest,
    { id }: Session,
  ): Promise<void> {
    // The grant has the name of its session, so that revoking it ends the session.
    const named = { jti: id, accountId: id, clientId: client.id };
    const grant = new this.library.Grant(named);
    grant.addOIDCScope([...scopes, baseScope].join(' '));
    for (const resource of resources) {
      const known = this.options.resources.get(resource) ?? [];
      const granted = scopes.filter((scope) => known.includes(scope));
      grant.addResourceScope(resource, [...granted, baseScope].join(' '));
    }
    const grantId = await grant.save();
    const login = { accountId: id, remember: false };
    await this.library.interactionFinished(request, response, { login, consent: { grantId } });
  }

  async deny(request: Request, response: Response): Promise<void> {
    await this.#interaction(request, response);
    await this.library.interactionFinished(
      request,
      response,
      { error: 'access_denied', error_description: 'the user denied the request' },
      { mergeWithLastSubmission: false },
    );
  }

  async #interaction(request: Request, response: Response): Promise<Interaction> {
    try {
      return await this.library.interactionDetails(request, response);
    } catch (cause) {
      throw cause instanceof errors.SessionNotFound
        ? new BffError('login_expired', { cause })
        : cause;
    }
  }

  async #describe({ uid, params, deviceCode }: Interaction): Promise<AuthorizationRequest> {
    const clientId = textOf(params['client_id']) ?? '';
    const client = await this.#clientOf(clientId);
    if (!client) throw new BffError('login_expired', { cause: new Error('the client is gone') });
    const { resource } = params;
    return {
      id: uid,
      client: { id: clientId, name: client.clientName ?? clientId },
      redirectUri: deviceCode === undefined ? textOf(params['redirect_uri']) : undefined,
      scopes: withoutBaseScope(textOf(params['scope'])),
      resources: [resource ?? []].flat().filter((one) => typeof one === 'string'),
      loginHint: textOf(params['login_hint']),
    };
  }

  /** The document of a client may have become unavailable since the request began. */
  async #clientOf(clientId: string) {
    try {
      return await this.library.Client.find(clientId);
    } catch (cause) {
      throw cause instanceof errors.OIDCProviderError
        ? new BffError('login_expired', { cause })
        : cause;
    }
  }
}

/** Returns the path that the library gets instead of the one in the request. */
function librarySees(path: string): string {
  if (path.startsWith('/authorize?')) return withoutOpenId(path);
  // With a code in the address, the library's page would need a script. Ours shows it in a form.
  return path.startsWith('/device?') ? '/device' : path;
}

/** Parameters of OpenID Connect that clients such as AppAuth send and the library would refuse. */
const openIdParameters = [
  'nonce',
  'acr_values',
  'claims',
  'claims_locales',
  'max_age',
  'id_token_hint',
  'display',
];

/** Scopes of OpenID Connect. There is no ID token, and every client gets a refresh token. */
const openIdScopes = new Set(['openid', 'offline_access']);

/** Throws `invalid_request` for more than 64 parameters. */
function withoutOpenId(path: string): string {
  const mark = path.indexOf('?') + 1;
  const parameters = limitedParameters(path.slice(mark));
  for (const name of openIdParameters) parameters.delete(name);
  // The only response mode is `query`.
  parameters.delete('response_mode');
  const scopes = parameters.getAll('scope');
  parameters.delete('scope');
  for (const scope of scopes) {
    const others = scope.split(' ').filter((name) => !openIdScopes.has(name));
    if (others.length > 0) parameters.append('scope', others.join(' '));
  }
  return path.slice(0, mark) + parameters;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
