import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  type AccessTokenValidator,
  createAccessTokenValidator,
  Refusal,
  requireScope,
} from './api/access-token.ts';
import { Notes } from './api/notes.ts';
import { resources, sendJson } from './api/resources.ts';
import { demoAudience } from './defaults.ts';
import { close, listen, type RunningServer } from './listen.ts';

/** How to start the demo's API. */
export interface ApiOptions {
  /** `0` takes a free port. */
  readonly port: number;
  /** The address to listen on. Absent: loopback only. */
  readonly host?: string;
  /** Whose access tokens are accepted. */
  readonly issuer: string;
  /** Whom they must be meant for. Absent: the audience of the demo. */
  readonly audience?: string;
  /** Where the issuer's keys are. Absent: `/jwks` at the issuer. */
  readonly jwksUri?: string;
}

interface Api {
  readonly validate: AccessTokenValidator;
  readonly notes: Notes;
}

/**
 * Starts a resource server with a few notes in it. It trusts no caller: every call's access token
 * is validated.
 */
export async function startApi(options: ApiOptions): Promise<RunningServer> {
  const { issuer, audience = demoAudience, jwksUri = `${issuer}/jwks` } = options;
  const api = {
    validate: createAccessTokenValidator({ issuer, audience, jwksUri }),
    notes: new Notes(),
  };
  const server = createServer((request, response) => void respond(request, response, api));
  const port = await listen(server, options.port, options.host ?? '127.0.0.1');
  return { port, url: `http://localhost:${port}`, close: () => close(server) };
}

async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  api: Api,
): Promise<void> {
  try {
    await dispatch(request, response, api);
  } catch (error) {
    if (error instanceof Refusal) refuse(response, error);
    else fail(response, error);
  }
}

async function dispatch(
  request: IncomingMessage,
  response: ServerResponse,
  api: Api,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://api');
  if (pathname === '/livez') return sendJson(response, 200, { status: 'ok' });
  const token = await api.validate(request.headers.authorization);
  const here = resources.filter(({ path }) => path.test(pathname));
  const resource = here.find(({ method }) => method === request.method);
  if (here.length === 0) throw new Refusal(404, 'There is nothing here.');
  if (!resource) {
    response.setHeader('Allow', here.map(({ method }) => method).join(', '));
    throw new Refusal(405, `Not with ${request.method}.`);
  }
  if (resource.scope) requireScope(token, resource.scope);
  const id = pathname.slice(pathname.lastIndexOf('/') + 1);
  await resource.respond({ request, response, token, notes: api.notes, id });
}

function refuse(response: ServerResponse, { status, message, error, scope }: Refusal): void {
  const parameters = [
    'realm="Pixie demo API"',
    error && `error="${error}"`,
    error && `error_description="${message.replaceAll('"', "'")}"`,
    scope && `scope="${scope}"`,
  ].filter(Boolean);
  if (status === 401 || error)
    response.setHeader('WWW-Authenticate', `Bearer ${parameters.join(', ')}`);
  // What is left of a body nobody wants to read must not be taken for the next request.
  if (status === 413) response.setHeader('Connection', 'close');
  sendJson(response, status, { error: error ?? 'refused', message });
}

function fail(response: ServerResponse, error: unknown): void {
  console.error('api:', error);
  if (response.headersSent) response.destroy();
  else sendJson(response, 500, { error: 'internal_error' });
}
