import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  FakeService,
  registered,
  sendJson,
  type ServiceResponse,
  type ServiceGrant,
} from './fake-service.ts';

/** An e-mail address of a user, as `GET /user/emails` lists it. */
export interface GitHubEmail {
  readonly email: string;
  readonly primary: boolean;
  readonly verified: boolean;
  readonly visibility: 'public' | 'private' | null;
}

/** A GitHub user. */
export interface GitHubPerson {
  readonly user: Record<string, unknown>;
  emails: GitHubEmail[];
}

const alice: GitHubPerson = {
  user: {
    login: 'alice-adams',
    id: 583231,
    node_id: 'MDQ6VXNlcjU4MzIzMQ==',
    avatar_url: 'https://avatars.githubusercontent.com/u/583231?v=4',
    html_url: 'https://github.com/alice-adams',
    type: 'User',
    site_admin: false,
    name: 'Alice Adams',
    company: null,
    email: null,
    public_repos: 8,
    created_at: '2011-01-25T18:44:36Z',
  },
  emails: [
    { email: 'old@example.com', primary: false, verified: true, visibility: null },
    { email: 'alice@example.com', primary: true, verified: true, visibility: 'private' },
  ],
};

/**
 * GitHub, as its documentation describes it. Responses of the token endpoint are forms unless JSON
 * is requested, its errors have status 200 and names of their own, and the API requires a
 * `User-Agent`. Tokens of an OAuth app do not expire; those of a GitHub App do.
 */
export class FakeGitHub extends FakeService {
  /** The API is on the same port, below a path, as at a GitHub Enterprise Server. */
  static readonly api = '/api/v3';
  readonly people: Record<string, GitHubPerson> = { alice: structuredClone(alice) };
  /** Whether the client is a GitHub App whose tokens end. */
  tokensEnd = false;
  /** Seconds. */
  lifetime = 28_800;
  /** The value of `iss` in the authorization response; none by default. */
  iss: string | undefined;

  protected serve(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    body: string,
  ): void {
    const { api } = FakeGitHub;
    const target = `${request.method} ${url.pathname}`;
    if (target === 'GET /login/oauth/authorize') return this.authorize(response, url, this.iss);
    if (target === 'POST /login/oauth/access_token')
      return this.#sendTokens(request, response, this.#token(new URLSearchParams(body)));
    if (!url.pathname.startsWith(api)) return sendJson(response, [404, { message: 'Not Found' }]);
    if (!request.headers['user-agent'])
      return void response.writeHead(403).end('Request forbidden by administrative rules.');
    if (target === `DELETE ${api}/applications/${registered.clientId}/token`)
      return sendJson(response, this.#revoke(request, body));
    sendJson(response, this.#resource(target.replace(`GET ${api}`, ''), this.bearer(request)));
  }

  #token(form: URLSearchParams): Record<string, string | number> {
    const isOurs = form.get('client_id') === registered.clientId;
    if (!isOurs || form.get('client_secret') !== registered.clientSecret)
      return refusal('incorrect_client_credentials');
    if (form.get('grant_type') === 'refresh_token') return this.#refresh(form);
    const grant = this.redeem(form);
    if (grant === 'redirect') return refusal('redirect_uri_mismatch');
    if (typeof grant === 'string') return refusal('bad_verification_code');
    return this.#issue(grant);
  }

  #refresh(form: URLSearchParams): Record<string, string | number> {
    const token = form.get('refresh_token') ?? '';
    const grant = this.refreshTokens.get(token);
    if (!grant) return refusal('bad_refresh_token');
    this.refreshTokens.delete(token);
    return this.#issue(grant);
  }

  #issue(grant: ServiceGrant): Record<string, string | number> {
    const basics = { token_type: 'bearer', scope: this.tokensEnd ? '' : grant.scopes.join(',') };
    if (!this.tokensEnd) return { access_token: this.newToken('gho_', grant, 'access'), ...basics };
    return {
      access_token: this.newToken('ghu_', grant, 'access'),
      expires_in: this.lifetime,
      refresh_token: this.newToken('ghr_', grant, 'refresh'),
      refresh_token_expires_in: 15_897_600,
      ...basics,
    };
  }

  /** Responds with status 200, errors included. */
  #sendTokens(
    request: IncomingMessage,
    response: ServerResponse,
    fields: Record<string, string | number>,
  ): void {
    if (request.headers.accept?.includes('application/json'))
      return sendJson(response, [200, fields]);
    const form = new URLSearchParams(
      Object.entries(fields).map(([name, value]) => [name, String(value)]),
    );
    response.writeHead(200, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' });
    response.end(String(form));
  }

  #resource(path: string, grant: ServiceGrant | undefined): ServiceResponse {
    const person = grant && this.people[grant.person];
    if (!person) return [401, { message: 'Bad credentials', status: '401' }];
    if (path === '/user') return [200, person.user];
    if (path !== '/user/emails') return [404, { message: 'Not Found', status: '404' }];
    const mayRead = grant.scopes.some((scope) => scope === 'user' || scope === 'user:email');
    return mayRead ? [200, person.emails] : [404, { message: 'Not Found', status: '404' }];
  }

  #revoke(request: IncomingMessage, body: string): ServiceResponse {
    const { clientId, clientSecret } = registered;
    const expected = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
    if (request.headers.authorization !== expected) return [404, { message: 'Not Found' }];
    const { access_token: token } = JSON.parse(body) as { access_token: string };
    return this.accessTokens.delete(token) ? [204] : [404, { message: 'Not Found' }];
  }
}

function refusal(error: string): Record<string, string> {
  return { error, error_description: `It is ${error}.`, error_uri: `/troubleshooting#${error}` };
}
