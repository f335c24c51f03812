import { parseOptions } from '../../src/config/load.ts';
import { frontendRoute } from '../../src/frontend/frontend-route.ts';

it('the route to the server of a frontend carries no token and has the defaults of a route', () => {
  const { routes } = parseOptions({
    publicUrl: 'http://localhost:8080',
    session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
    providers: [
      { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', clientSecret: 's' },
    ],
    routes: [{ path: '/app', upstream: 'http://web:5173' }],
  });
  expect(frontendRoute('http://web:5173')).toEqual({
    ...routes[0],
    path: '/',
    token: 'none',
    csrf: false,
  });
});

it('the route to the server of a frontend waits, retries and opens WebSockets', () => {
  expect(frontendRoute('http://web:5173')).toMatchObject({
    upstream: ['http://web:5173'],
    timeout: 30_000,
    maxBody: 100 * 1024 * 1024,
    websocket: true,
    retry: 1,
  });
});
