import https from 'node:https';
import { text as readText } from 'node:stream/consumers';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import {
  respondWith,
  download,
  echoBody,
  eventFeed,
  hang,
  hangUp,
  inTurn,
  slowly,
} from './responses.ts';
import { TestBrowser } from '../browser/browser.ts';
import { rawRequest } from '../network/raw-request.ts';
import { startRawUpstream, startUpstream, type Upstream } from './upstream.ts';
import { clientCertificate, testTls } from '../network/tls.ts';
import { waitFor } from '../time/wait-for.ts';

let upstream: Upstream;
beforeEach(async () => {
  upstream = await startUpstream();
});
afterEach(() => upstream.close());

describe('the upstream', () => {
  it('records target, headers and body exactly as they stood on the wire', async () => {
    const request =
      'POST /a/%2e%2e//b?x=%20&x=1 HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\n' +
      'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n\xff\x00\r\n0\r\nTrail: er\r\n\r\n';
    const { statuses, closed } = await rawRequest(upstream.port, request);
    expect([statuses, closed]).toEqual([[200], true]);
    const { method, url, path, query, body, rawTrailers } = upstream.last;
    expect([method, url]).toEqual(['POST', '/a/%2e%2e//b?x=%20&x=1']);
    expect([path, query.getAll('x')]).toEqual(['/a/%2e%2e//b', [' ', '1']]);
    expect(upstream.last.headerValues('X-TWO')).toEqual(['1', '2']);
    expect(upstream.last.rawHeaders).toContain('X-Two');
    expect([...body]).toEqual([255, 0]);
    expect(rawTrailers).toEqual(['Trail', 'er']);
  });

  it('knows a sender that went away in the middle of its body', async () => {
    const request = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf';
    await rawRequest(upstream.port, request, { deadline: 50 });
    await expect(upstream.last.ended).resolves.toBe('aborted');
    expect(upstream.last.body.toString()).toBe('half');
  });

  it('records a large body while a handler streams it back', async () => {
    upstream.handler = echoBody();
    const body = Buffer.alloc(3 * 1024 * 1024, 'x');
    const browser = new TestBrowser({ origin: upstream.url });
    const response = await browser.fetch('/', { method: 'POST', body: Readable.from([body]) });
    expect((await response.arrayBuffer()).byteLength).toBe(body.length);
    expect(upstream.last.body.equals(body)).toBe(true);
  });

  it('responds in turn, hangs up, and streams downloads and events', async () => {
    upstream.handler = inTurn(respondWith(503, { a: 1 }), hangUp(), download(200_000));
    expect((await fetch(upstream.url)).status).toBe(503);
    await expect(fetch(upstream.url)).rejects.toThrow('fetch failed');
    expect((await (await fetch(upstream.url)).arrayBuffer()).byteLength).toBe(200_000);
    const events = eventFeed();
    upstream.handler = events.handler;
    const response = await fetch(upstream.url);
    await waitFor(() => events.listeners === 1);
    events.send('one', 'tick');
    events.end();
    await expect(response.text()).resolves.toBe('event: tick\ndata: one\n\n');
  });
});

it('can be slow, or never respond', async () => {
  upstream.handler = slowly(30, respondWith(200));
  const begun = performance.now();
  await fetch(upstream.url);
  expect(performance.now() - begun).toBeGreaterThan(25);
  upstream.handler = hang();
  const signal = AbortSignal.timeout(50);
  await expect(fetch(upstream.url, { signal })).rejects.toThrow('timeout');
});

it('a raw upstream responds with exactly its bytes', async () => {
  const raw = await startRawUpstream('HTTP/1.1 200 OK\r\nbroken\r\n\r\n');
  const { text, closed } = await rawRequest(raw.port, 'GET / HTTP/1.1\r\n\r\n');
  expect([text, closed]).toEqual(['HTTP/1.1 200 OK\r\nbroken\r\n\r\n', true]);
  expect(raw.received).toEqual(['GET / HTTP/1.1\r\n\r\n']);
  await raw.close();
});

it('a TLS upstream is trusted by its authority only', async () => {
  const tls = testTls();
  const secure = await startUpstream(respondWith(200, 'safe'), {
    tls: { key: tls.key, cert: tls.cert },
  });
  const request = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const { text } = await rawRequest(secure.port, request, { tls: { ca: tls.ca } });
  expect(text).toMatch(/^HTTP\/1\.1 200 [^]*\r\nsafe\r\n/);
  await expect(fetch(secure.url)).rejects.toThrow('fetch failed');
  await secure.close();
});

it('a mutual TLS upstream accepts a client certificate of the same authority, and no connection without one', async () => {
  const { key, cert, ca } = testTls();
  const secure = await startUpstream(respondWith(200, 'safe'), { tls: { key, cert, ca } });
  const requestWith = (certificate: object) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const agent = new https.Agent({ ca, ...certificate });
      https.request(secure.url, { agent }, resolve).once('error', reject).end();
    });
  const { key: clientKey, cert: clientCert } = clientCertificate('test-client');
  const response = await requestWith({ key: clientKey, cert: clientCert });
  await expect(readText(response)).resolves.toBe('safe');
  await expect(requestWith({})).rejects.toThrow(/certificate required|socket hang up|ECONNRESET/);
  await secure.close();
});
