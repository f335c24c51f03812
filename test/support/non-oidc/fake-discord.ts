import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  FakeService,
  registered,
  sendJson,
  type ServiceResponse,
  type ServiceGrant,
} from './fake-service.ts';

const alice = {
  id: '80351110224678912',
  username: 'alice',
  discriminator: '0',
  global_name: 'Alice Adams',
  avatar: '8342729096ea3675442027381ff50dfe',
  mfa_enabled: true,
  locale: 'en-US',
  email: 'alice@example.com',
  verified: true,
};

/**
 * Discord, as it documents itself: forms in, JSON out, client credentials as Basic or in the form,
 * tokens for a week with a refresh token that is spent by its use, a verifier that must be sent if
 * there was a challenge, and fields by scope.
 */
export class FakeDiscord extends FakeService {
  readonly people: Record<string, Record<string, unknown>> = { alice: { ...alice } };
  /** Seconds. */
  lifetime = 604_800;

  protected serve(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    body: string,
  ): void {
    switch (`${request.method} ${url.pathname}`) {
      case 'GET /oauth2/authorize':
        return this.authorize(response, url, this.url);
      case 'POST /api/oauth2/token':
        return sendJson(
          response,
          this.#asClient(request, body, (form) => this.#token(form)),
        );
      case 'POST /api/oauth2/token/revoke':
        return sendJson(
          response,
          this.#asClient(request, body, (form) => this.#revoke(form)),
        );
      case 'GET /api/users/@me':
        return sendJson(response, this.#me(this.bearer(request)));
      case 'GET /api/oauth2/token':
      case 'HEAD /api/oauth2/token':
        return sendJson(response, [405, { message: '405: Method Not Allowed', code: 0 }]);
      default:
        return sendJson(response, [404, { message: '404: Not Found', code: 0 }]);
    }
  }

  #asClient(
    request: IncomingMessage,
    body: string,
    handle: (form: URLSearchParams) => ServiceResponse,
  ): ServiceResponse {
    const type = request.headers['content-type'] ?? '';
    if (!type.startsWith('application/x-www-form-urlencoded'))
      return [400, { message: 'The request body contains invalid JSON.', code: 50_109 }];
    const form = new URLSearchParams(body);
    const basic = Buffer.from(request.headers.authorization?.slice(6) ?? '', 'base64').toString();
    const sent = basic
      ? decodeURIComponent(basic.replaceAll('+', ' '))
      : `${form.get('client_id')}:${form.get('client_secret')}`;
    const isOurs = sent === `${registered.clientId}:${registered.clientSecret}`;
    return isOurs ? handle(form) : [401, { error: 'invalid_client' }];
  }

  #token(form: URLSearchParams): ServiceResponse {
    if (form.get('grant_type') === 'refresh_token') return this.#refresh(form);
    const grant = this.redeem(form);
    if (grant === 'unknown')
      return [400, { error: 'invalid_grant', error_description: 'Invalid "code" in request.' }];
    if (grant === 'redirect')
      return [400, { error: 'invalid_grant', error_description: 'Invalid "redirect_uri".' }];
    if (grant === 'verifier')
      return [400, { error: 'invalid_request', error_description: 'Invalid "code_verifier"' }];
    return [200, this.#issue(grant)];
  }

  #refresh(form: URLSearchParams): ServiceResponse {
    const token = form.get('refresh_token') ?? '';
    const grant = this.refreshTokens.get(token);
    this.refreshTokens.delete(token);
    return grant ? [200, this.#issue(grant)] : [400, { error: 'invalid_grant' }];
  }

  #issue(grant: ServiceGrant): object {
    return {
      token_type: 'Bearer',
      access_token: this.newToken('', grant, 'access'),
      expires_in: this.lifetime,
      refresh_token: this.newToken('', grant, 'refresh'),
      scope: grant.scopes.join(' '),
    };
  }

  #me(grant: ServiceGrant | undefined): ServiceResponse {
    const person = grant && this.people[grant.person];
    if (!person || !grant.scopes.includes('identify'))
      return [401, { message: '401: Unauthorized', code: 0 }];
    const { email, verified, ...others } = person;
    return [200, grant.scopes.includes('email') ? { ...others, email, verified } : others];
  }

  /** Either of the two ends both. */
  #revoke(form: URLSearchParams): ServiceResponse {
    const token = form.get('token') ?? '';
    const grant = this.accessTokens.get(token) ?? this.refreshTokens.get(token);
    for (const tokens of [this.accessTokens, this.refreshTokens])
      for (const [name, other] of tokens) if (other === grant) tokens.delete(name);
    return [200, {}];
  }
}
