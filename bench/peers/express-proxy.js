/**
 * What a Node.js team writes by itself: express-session with connect-redis, openid-client for the sign-in, and
 * http-proxy-middleware with the access token of the session. As their manuals have it, and with a keep-alive agent,
 * without which it would be slower. `node express-proxy.js <configuration as JSON>`
 */
import { Agent } from 'node:http';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createProxyMiddleware } from 'http-proxy-middleware';
import * as oidc from 'openid-client';
import { createClient } from 'redis';

const { port, upstream, redisUrl, issuer, clientId, clientSecret, secret } = JSON.parse(
  process.argv[2],
);
const origin = `http://localhost:${port}`;
const redis = createClient({ url: redisUrl });
await redis.connect();
const client = await oidc.discovery(new URL(issuer), clientId, clientSecret, undefined, {
  execute: [oidc.allowInsecureRequests],
});

const app = express();
app.use(
  session({
    store: new RedisStore({ client: redis, prefix: 'express:' }),
    secret,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax', maxAge: 1_800_000 },
  }),
);

app.get('/login', async (request, response) => {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  request.session.login = { verifier, state };
  const address = oidc.buildAuthorizationUrl(client, {
    redirect_uri: `${origin}/callback`,
    scope: 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  });
  response.redirect(address.href);
});

app.get('/callback', async (request, response) => {
  const { verifier, state } = request.session.login;
  const tokens = await oidc.authorizationCodeGrant(client, new URL(request.url, origin), {
    pkceCodeVerifier: verifier,
    expectedState: state,
  });
  await new Promise((resolve, reject) => {
    request.session.regenerate((error) => (error ? reject(error) : resolve()));
  });
  request.session.user = tokens.claims();
  request.session.tokens = tokens;
  response.redirect('/');
});

const proxy = createProxyMiddleware({
  target: upstream,
  changeOrigin: true,
  xfwd: true,
  ws: true,
  agent: new Agent({ keepAlive: true }),
  on: {
    proxyReq: (outgoing, request) => {
      outgoing.setHeader('authorization', `Bearer ${request.session.tokens.access_token}`);
      outgoing.removeHeader('cookie');
    },
  },
});
app.use((request, response, next) => {
  if (!request.url.startsWith('/api/')) response.sendStatus(404);
  else if (request.session.tokens) next();
  else response.sendStatus(401);
}, proxy);

const server = app.listen(port, '127.0.0.1', 8192);
server.keepAliveTimeout = 600_000;
server.requestTimeout = 0;
