import { isDocumentNavigation, isPrefetch } from '../../src/http/navigation.ts';

const navigate = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

describe('a document navigation', () => {
  it.each<[string, string, Record<string, string>]>([
    ['a click', 'GET', navigate],
    ['a click, whatever it accepts', 'GET', { ...navigate, accept: 'application/json' }],
    ['an old browser that accepts HTML', 'GET', html],
    ['an old browser that shouts', 'GET', { accept: 'Text/HTML' }],
  ])('is %s', (_what, method, headers) => {
    expect(isDocumentNavigation({ method, headers })).toBe(true);
  });

  it.each<[string, string, Record<string, string>]>([
    ['a form', 'POST', navigate],
    ['a check', 'HEAD', navigate],
    ['a check by an old browser', 'HEAD', html],
    ['a frame', 'GET', { ...navigate, 'sec-fetch-dest': 'iframe', ...html }],
    ['a plugin', 'GET', { ...navigate, 'sec-fetch-dest': 'embed', ...html }],
    ['a script’s fetch', 'GET', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', ...html }],
    ['an image', 'GET', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', ...html }],
    ['a WebSocket', 'GET', { 'sec-fetch-mode': 'websocket', ...html }],
    ['half of the headers', 'GET', { 'sec-fetch-mode': 'navigate', ...html }],
    ['the other half', 'GET', { 'sec-fetch-dest': 'document', ...html }],
    ['a repeated header', 'GET', { ...navigate, 'sec-fetch-mode': 'navigate, navigate' }],
    ['another spelling', 'GET', { ...navigate, 'sec-fetch-mode': 'Navigate' }],
    ['a program', 'GET', { accept: '*/*' }],
    ['nothing', 'GET', {}],
    ['a type that only looks alike', 'GET', { accept: 'text/htmlx' }],
  ])('is not %s', (_what, method, headers) => {
    expect(isDocumentNavigation({ method, headers })).toBe(false);
  });
});

describe('a prefetch', () => {
  it.each<Record<string, string>>([
    { 'sec-purpose': 'prefetch' },
    { 'sec-purpose': 'prefetch;prerender' },
    { 'sec-purpose': 'prefetch;anonymous-client-ip' },
    { purpose: 'prefetch' },
    { 'x-purpose': 'preview' },
    { 'x-moz': 'Prefetch' },
  ])('is known by %j', (headers) => {
    expect(isPrefetch(headers)).toBe(true);
  });

  it('is nothing else', () => {
    expect(isPrefetch({ 'sec-purpose': '', accept: 'prefetch', 'user-agent': 'prefetch' })).toBe(
      false,
    );
  });
});
