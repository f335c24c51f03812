import { type ArgumentsHost, HttpException, Logger, NotFoundException } from '@nestjs/common';
import { BffError } from '../../src/errors.ts';
import {
  ProblemFilter,
  UnexpectedErrorFilter,
  type ProblemOptions,
} from '../../src/http/problem.filter.ts';

const options: ProblemOptions = { basePath: '/bff', defaultReturnUrl: '/', errorUrl: undefined };

const logged: { level: string; line: object }[] = [];
const levels = ['log', 'warn', 'error', 'debug'] as const;

function note(level: string) {
  return [level, (line: object) => void logged.push({ level, line })] as const;
}

beforeAll(() => Logger.overrideLogger(Object.fromEntries(levels.map(note)) as never));
beforeEach(() => void (logged.length = 0));

/** A response that takes notes. */
function responseTo(error: unknown, request: object = {}, state: object = {}) {
  const headers: Record<string, unknown> = {};
  const sent = { status: 0, body: '', destroyed: false, headers };
  const response = {
    headersSent: false,
    closed: false,
    ...state,
    setHeader: (name: string, value: unknown) => void (headers[name] = value),
    status: (status: number) => {
      sent.status = status;
      return response;
    },
    type: (type: string) => {
      headers['Content-Type'] = type;
      return response;
    },
    send: (body: string) => void (sent.body = body),
    destroy: () => void (sent.destroyed = true),
  };
  const host = {
    switchToHttp: () => ({
      getRequest: () => ({ method: 'GET', headers: {}, originalUrl: '/x', id: 'id-1', ...request }),
      getResponse: () => response,
    }),
  } as unknown as ArgumentsHost;
  const filter = new UnexpectedErrorFilter(new ProblemFilter(options));
  filter.catch(error, host);
  return sent;
}

it.each([
  [new NotFoundException('Cannot GET /x?token=secret'), 404, 'not_found'],
  [new HttpException('too large', 413), 413, 'body_too_large'],
  [new HttpException('teapot', 418), 400, 'invalid_request'],
  [new HttpException('down', 503), 500, 'internal_error'],
  [new TypeError('a bug'), 500, 'internal_error'],
  ['a thrown string', 500, 'internal_error'],
  [undefined, 500, 'internal_error'],
  [new BffError('csrf'), 403, 'csrf'],
])('responds to %p with %i %s and none of its text', (error, status, code) => {
  const response = responseTo(error);
  expect(response.status).toBe(status);
  expect(JSON.parse(response.body)).toMatchObject({ status, code, requestId: 'id-1' });
  expect(response.body).not.toMatch(/secret|teapot|a bug|thrown/);
});

it('breaks off a response that has begun, instead of mixing another one into it', () => {
  const response = responseTo(new BffError('upstream_unreachable'), {}, { headersSent: true });
  expect(response).toMatchObject({ destroyed: true, status: 0, body: '' });
});

it('sends the headers an error brings with it', () => {
  const error = new BffError('method_not_allowed', { headers: { Allow: 'GET' } });
  expect(responseTo(error).headers).toMatchObject({ Allow: 'GET', 'Cache-Control': 'no-store' });
});

it('lets an error name another sign-in than the usual one', () => {
  const extensions = { loginUrl: '/bff/login?provider=github' };
  const { body } = responseTo(new BffError('not_signed_in', { extensions }));
  expect(JSON.parse(body)).toMatchObject(extensions);
});

it('gives an id to a request that came past the pipeline', () => {
  const { body } = responseTo(new BffError('csrf'), { id: undefined });
  expect((JSON.parse(body) as { requestId: string }).requestId).toMatch(/^[0-9a-f-]{36}$/);
});

it.each([
  ['GET', { 'sec-fetch-mode': 'navigate' }, true],
  ['HEAD', { 'sec-fetch-mode': 'navigate' }, true],
  ['POST', { 'sec-fetch-mode': 'navigate', accept: 'text/html' }, false],
  ['GET', { 'sec-fetch-mode': 'cors', accept: 'text/html' }, false],
  ['GET', { accept: 'text/html,*/*' }, true],
  ['GET', { accept: '*/*' }, false],
  ['GET', {}, false],
])('%s with %p: a page? %p', (method, headers, isPage) => {
  const response = responseTo(new BffError('not_found'), { method, headers });
  expect(response.headers['Content-Type'] === 'html').toBe(isPage);
});

it('logs a failure of ours with its cause, and what a client did wrong with the reason alone', () => {
  const cause = new Error('what really happened');
  responseTo(new BffError('login_failed', { cause }));
  responseTo(new BffError('csrf', { cause }));
  expect(logged).toMatchObject([
    { level: 'error', line: { msg: 'login_failed', code: 'login_failed', err: { cause } } },
    { level: 'log', line: { msg: 'csrf', code: 'csrf', reason: 'what really happened' } },
  ]);
});

it('does not log the address that Nest quotes, because its query may hold a token', () => {
  responseTo(new NotFoundException('Cannot GET /x?token=secret'));
  expect(logged).toEqual([{ level: 'log', line: { msg: 'not_found', code: 'not_found' } }]);
});

it('does not call it a failure when the client went away before its response', () => {
  responseTo(new BffError('upstream_unreachable'), {}, { closed: true });
  expect(logged).toMatchObject([{ level: 'debug', line: { reason: 'the client went away' } }]);
});

it('leaves errors of GraphQL resolvers and gateways to their own layers', () => {
  const host = { getType: () => 'graphql' } as unknown as ArgumentsHost;
  const error = new BffError('not_signed_in');
  expect(() => new ProblemFilter(options).catch(error, host)).toThrow(error);
});
