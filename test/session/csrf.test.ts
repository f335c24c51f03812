import { refuseForgery } from '../../src/session/cookie/csrf.ts';

const ours = 'https://app.example.com';
const options = { header: 'X-CSRF', value: '1' };

describe('the CSRF rule', () => {
  it.each([
    ['the header alone, from a client that is no browser', { 'x-csrf': '1' }],
    ['our own page', { 'x-csrf': '1', 'sec-fetch-site': 'same-origin', origin: ours }],
  ])('lets pass %s', (_, headers) => {
    expect(() => refuseForgery(headers, options, ours)).not.toThrow();
  });

  it.each([
    ['no header', {}],
    ['an empty header', { 'x-csrf': '' }],
    ['another value', { 'x-csrf': '2' }],
    ['the header twice', { 'x-csrf': '1, 1' }],
    ['another site', { 'x-csrf': '1', 'sec-fetch-site': 'cross-site' }],
    ['a sibling subdomain', { 'x-csrf': '1', 'sec-fetch-site': 'same-site' }],
    ['the address bar', { 'x-csrf': '1', 'sec-fetch-site': 'none' }],
    ['another origin', { 'x-csrf': '1', origin: 'https://evil.example' }],
    ['another port', { 'x-csrf': '1', origin: `${ours}:8443` }],
    ['another scheme', { 'x-csrf': '1', origin: 'http://app.example.com' }],
    ['an origin that begins like ours', { 'x-csrf': '1', origin: `${ours}.evil.example` }],
    ['an opaque origin', { 'x-csrf': '1', origin: 'null' }],
    ['an empty origin', { 'x-csrf': '1', origin: '' }],
  ])('refuses %s', (_, headers) => {
    expect(() => refuseForgery(headers, options, ours)).toThrow(
      expect.objectContaining({ code: 'csrf', status: 403 }),
    );
  });

  it('requires the header and value of the configuration', () => {
    const custom = { header: 'X-Own', value: 'yes' };
    expect(() => refuseForgery({ 'x-own': 'yes' }, custom, ours)).not.toThrow();
    expect(() => refuseForgery({ 'x-csrf': '1' }, custom, ours)).toThrow(
      expect.objectContaining({ code: 'csrf' }),
    );
  });
});
