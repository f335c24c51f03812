import {
  type ConsentPage,
  renderConsentPage,
} from '../../src/authorization-server/pages/consent-page.ts';
import {
  renderConfirmationPage,
  renderDeniedPage,
  renderDonePage,
  renderInputPage,
  renderStalePage,
} from '../../src/authorization-server/pages/device-pages.ts';

const consent: ConsentPage = {
  client: { id: 'cli', name: 'Acme CLI' },
  redirectUri: 'http://127.0.0.1:4711/callback',
  scopes: ['orders', 'tools'],
  claims: { sub: '42', email: 'alice@example.com' },
  publicUrl: 'https://app.example.com',
  action: '/bff/oauth/interaction/x',
  formToken: 'secret',
};
const consentWith = (changes: Partial<ConsentPage>) =>
  renderConsentPage({ ...consent, ...changes });
const hostile = '"><script>alert(1)</script>\u202Egnp';
const form = { action: '/bff/oauth/device', secret: 'secret' };

/** The text that a user reads. */
const textOf = ({ html }: { html: string }) =>
  html.replace(/<style>.*<\/style>|<title>.*<\/title>/s, '').replace(/<[^>]*>/g, '');

describe('the consent page', () => {
  it('names the client, the application, the account and the scopes', () => {
    const text = textOf(renderConsentPage(consent));
    expect(text).toContain('Acme CLI asks to use your account');
    expect(text).toMatch(/at app\.example\.com[^]*alice@example\.com[^]*orders\s+tools/);
  });

  it.each([
    ['http://127.0.0.1:4711/callback', 'this computer', 'http://127.0.0.1:4711 https:'],
    ['http://[::1]:4711/callback', 'this computer', 'http: https:'],
    ['https://app.acme.com:8443/cb', 'app.acme.com:8443', 'https:'],
    ['com.acme.app:/callback', 'the app com.acme.app', 'com.acme.app:'],
    // A host may contain a semicolon, which would begin another directive of the policy.
    ['https://a;sandbox/cb', 'a;sandbox', 'https:'],
  ])(
    'tells where %s leads, and lets the form be redirected there',
    (redirectUri, place, source) => {
      const page = consentWith({ redirectUri });
      expect(textOf(page)).toContain(place);
      const policy = page.headers['Content-Security-Policy'];
      expect(policy).toContain(`; form-action 'self' ${source}; `);
    },
  );

  it('tells that a device asks, whose form leads only to the BFF', () => {
    const page = consentWith({ redirectUri: undefined });
    expect(textOf(page)).toContain('a device');
    expect(page.headers['Content-Security-Policy']).toContain("form-action 'self';");
  });

  it('shows the host of a client whose id is a URL, because it chose its name itself', () => {
    const client = { id: 'https://agent.example/client.json', name: 'Acme CLI' };
    expect(textOf(consentWith({ client }))).toMatch(/agent\.example[^]*chose its name itself/);
    expect(textOf(renderConsentPage(consent))).not.toContain('chose its name itself');
  });

  it.each([
    [{ name: 'Alice', sub: '42' }, 'Alice'],
    [{ name: ' ', preferred_username: 'al', sub: '42' }, 'al'],
    [{ email: 7, sub: '42' }, '42'],
    [{}, 'an account without a name'],
  ])('names the account of the claims %j', (claims, name) => {
    expect(textOf(consentWith({ claims }))).toContain(`Signed in as${name}`);
  });

  it('lets the user choose another account', () => {
    const { html } = renderConsentPage(consent);
    expect(html).toContain('href="/bff/oauth/interaction/x?account=other">Use another account</a>');
  });

  it('has one form with both decisions and its token, and keeps its Origin', () => {
    const { html, headers } = renderConsentPage(consent);
    expect(html.match(/<form\b/g)).toHaveLength(1);
    for (const decision of ['allow', 'deny'])
      expect(html).toContain(`name="decision" value="${decision}"`);
    expect(html).toContain('name="token" value="secret"');
    expect(headers['Referrer-Policy']).toBe('same-origin');
  });

  it('tells that access can be ended', () => {
    expect(textOf(renderConsentPage(consent))).toContain('end this access at any time');
  });

  it('shortens a long name, but never a host', () => {
    const host = `${'a.'.repeat(120)}evil.example`;
    const client = { id: `https://${host}/x`, name: '😀'.repeat(100) };
    const text = textOf(consentWith({ client }));
    expect(text).toContain(`${'😀'.repeat(39)}… asks`);
    expect(text).toContain(host);
  });
});

describe('text of clients and users', () => {
  it.each([
    ['consent', consentWith({ client: { id: 'x', name: hostile }, claims: { name: hostile } })],
    ['scopes', consentWith({ scopes: [hostile], redirectUri: undefined })],
    ['confirmation', renderConfirmationPage(form, hostile, hostile, 'https:')],
    ['input', renderInputPage(form, hostile, 'wrong')],
    ['done', renderDonePage(hostile)],
  ])('is escaped on the page: %s', (_name, { html }) => {
    expect(html).not.toContain('<script');
    expect(html.match(/<title>.*<\/title>/)?.[0]).not.toContain('\u202E');
  });

  it('cannot rearrange the text around it', () => {
    const { html } = consentWith({ client: { id: 'x', name: 'مثال' }, claims: { name: 'مريم' } });
    expect(html).toContain('<bdi>مثال</bdi>');
    expect(html).toContain('<bdi>مريم</bdi>');
  });
});

describe('the page for the code of a device', () => {
  it('has a labelled field and the secret of the form', () => {
    const { html } = renderInputPage(form);
    expect(html).toMatch(/<label for="code">Code<\/label>\s*<input id="code" name="user_code"/);
    expect(html).toContain('name="xsrf" value="secret"');
  });

  it.each([
    ['wrong', 'older, start again on the device'],
    ['expired', 'Start again on the device'],
    ['used', 'A code works once'],
    ['too-many', 'Wait ten minutes'],
    ['missing', 'Your device shows it'],
    ['failed', 'Try again in a moment'],
  ] as const)('tells what to do next after: %s', (problem, advice) => {
    const page = renderInputPage(form, 'bcdf-ghjk', problem);
    expect(textOf(page)).toContain(advice);
    expect(page.html).toContain('value="bcdf-ghjk" aria-invalid="true" aria-describedby="problem"');
  });

  it('asks to compare the code, names the client, and can be denied', () => {
    const page = renderConfirmationPage(form, 'BCDF-GHJK', 'Acme TV', 'https:');
    expect(textOf(page)).toMatch(/Acme TV[^]*Check that your device shows this code:\s*BCDF-GHJK/);
    expect(page.html).toContain('name="abort"');
    expect(page.headers['Content-Security-Policy']).toContain("form-action 'self' https:;");
  });

  it('offers another code if the code came with the address', () => {
    const page = renderConfirmationPage(form, 'BCDF-GHJK', undefined, 'https:');
    expect(page.html).not.toContain('name="abort"');
    expect(textOf(page)).toContain('Enter another code');
  });

  it('tells how it ended', () => {
    expect(textOf(renderDonePage('Acme TV'))).toContain('Acme TV is connected');
    expect(textOf(renderDeniedPage(form))).toContain('The device was not connected');
    expect(textOf(renderStalePage(form))).toContain('Enter the code again');
  });
});
