import { respondWith } from '../upstream/responses.ts';
import { describeInChromium } from './chromium.ts';
import { startUpstream } from '../upstream/upstream.ts';

describeInChromium('a real Chromium', (open) => {
  it('opens pages whose contexts share no cookies', async () => {
    const page = '<script>document.title = document.cookie</script>';
    const headers = { 'content-type': 'text/html', 'set-cookie': 'first=1' };
    const upstream = await startUpstream(respondWith(200, page, headers));
    const titles = async () => {
      const tab = await (await open()).newPage();
      await tab.goto(upstream.url);
      return tab.title();
    };
    expect([await titles(), await titles()]).toEqual(['first=1', 'first=1']);
    expect(
      upstream.requests.filter(({ path }) => path === '/').map((r) => r.headers.cookie),
    ).toEqual([undefined, undefined]);
    await upstream.close();
  });
});
