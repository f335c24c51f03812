/// <reference lib="dom" />
import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signOut } from '../flows/logout-tokens.ts';
import { startBff, type TestBff } from '../support/bff/bff.ts';
import { describeInChromium } from '../support/browser/chromium.ts';
import { runDirectory } from '../support/setup/run-directory.ts';

const frameworks = ['react', 'vue', 'svelte'];

/** A directory with one page for each framework. */
function applications(): string {
  const directory = mkdtempSync(join(runDirectory(), 'frameworks-'));
  execFileSync(process.execPath, ['test/browser/frameworks/bundle.ts', directory]);
  for (const name of ['index', ...frameworks]) {
    const page = `<!doctype html><div id="root"></div><script type="module" src="/${name}.js"></script>`;
    writeFileSync(join(directory, `${name}.html`), page);
  }
  return directory;
}

describeInChromium('applications with the browser client, in Chromium', (open) => {
  let bff: TestBff;

  beforeAll(async () => {
    bff = await startBff({
      frontend: { directory: applications() },
      authorizationServer: { backchannelLogout: true },
    });
  });
  afterAll(() => bff.close());

  it.each(frameworks)(
    'sign in, show the user, and notice a logout anywhere: %s',
    async (framework) => {
      const page = await (await open()).newPage();
      const errors: string[] = [];
      page.on('pageerror', ({ message }) => errors.push(message));
      await page.goto(`${bff.url}/${framework}`);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByText('Hello, Alice Adams').waitFor();
      expect(page.url()).toBe(`${bff.url}/${framework}`);
      expect(await signOut(bff, { sub: 'alice' })).toBe(200);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.waitForURL(`${bff.url}/`);
      expect(errors).toEqual([]);
    },
  );
});
