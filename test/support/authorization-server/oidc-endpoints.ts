import type { ServerResponse } from 'node:http';

const endpoints = {
  authorization: '/auth',
  token: '/token',
  userinfo: '/me',
  jwks: '/jwks',
  discovery: '/.well-known/openid-configuration',
  revocation: '/token/revocation',
  introspection: '/token/introspection',
  endSession: '/session/end',
  par: '/request',
} as const;

/** An endpoint by name or by path; `*` is every request. */
export type Endpoint = keyof typeof endpoints | '*' | `/${string}`;

/** Changes a JSON response: what it returns is sent instead. */
export type Transform = (json: Record<string, unknown>, status: number) => unknown;

/** The path of an endpoint. */
export function pathOf(endpoint: Endpoint): string {
  return endpoint in endpoints ? endpoints[endpoint as keyof typeof endpoints] : endpoint;
}

/**
 * Changes what is about to be sent. Koa ends a JSON response with its whole text at once, so that
 * is the place.
 */
export function changeJson(response: ServerResponse, change: Transform): void {
  const end = response.end.bind(response);
  response.end = ((body: unknown) => {
    const isJson = String(response.getHeader('content-type')).includes('json');
    if (!isJson || typeof body !== 'string') return end(body);
    const send = async () => {
      const changed = await change(
        JSON.parse(body) as Record<string, unknown>,
        response.statusCode,
      );
      const text = typeof changed === 'string' ? changed : JSON.stringify(changed);
      response.setHeader('content-length', Buffer.byteLength(text));
      end(text);
    };
    void send().catch(() => response.destroy());
    return response;
  }) as typeof response.end;
}
