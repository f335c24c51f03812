import { respondWith } from '../support/upstream/responses.ts';
import { startBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { startUpstream } from '../support/upstream/upstream.ts';

/** A page of ours that asks in a hidden frame, and writes down what it is told. */
const html = `<!doctype html><title>asking</title><script>
  addEventListener('message', ({ origin, data }) => {
    document.title = JSON.stringify([origin === location.origin, data]);
  });
</script><iframe hidden src="/bff/login?prompt=none"></iframe>`;

describeInChromium('a silent sign-in, in Chromium', (open) => {
  it('sends the result to the page', async () => {
    const frontend = await startUpstream(respondWith(200, html, { 'content-type': 'text/html' }));
    await using bff = await startBff({
      host: '127.0.0.1',
      frontend: { url: frontend.url, contentSecurityPolicy: 'off' },
    });
    const context = await open();
    const page = await context.newPage();
    const messages = async () => {
      await page.goto(`${bff.url}/`);
      await page.waitForFunction(() => document.title.startsWith('['));
      return JSON.parse(await page.title()) as unknown;
    };
    const signedOut = { source: 'bff-silent-login', isLoggedIn: false, code: 'login_denied' };
    expect(await messages()).toEqual([true, signedOut]);
    await page.goto(`${bff.url}/bff/login?login_hint=alice`);
    await page.waitForURL(`${bff.url}/`);
    await bff.redis.clear();
    expect(await messages()).toEqual([true, { source: 'bff-silent-login', isLoggedIn: true }]);
    await frontend.close();
  });
});
