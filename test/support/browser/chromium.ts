import { chromium, type Browser, type BrowserContext } from 'playwright-core';

/** Opens pages of their own cookies; closed after the test. */
export type OpenContext = () => Promise<BrowserContext>;

/**
 * A `describe` for tests in a real Chromium. Without one, a single test takes its place: it fails
 * in CI and is reported as not run elsewhere, so that missing tests do not look like passed ones.
 */
export function describeInChromium(title: string, tests: (open: OpenContext) => void): void {
  const executablePath = process.env['PIXIE_TEST_CHROMIUM'];
  if (executablePath) describeWith(executablePath, title, tests);
  else reportMissing(title);
}

function describeWith(
  executablePath: string,
  title: string,
  tests: (open: OpenContext) => void,
): void {
  describe(title, () => {
    let browser: Browser;
    const contexts: BrowserContext[] = [];
    beforeAll(async () => {
      // Chromium's sandbox does not start as root, the user of most containers.
      const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
      browser = await chromium.launch({ executablePath, args });
    });
    afterEach(() => Promise.all(contexts.splice(0).map((context) => context.close())));
    afterAll(() => browser.close());
    tests(async () => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      contexts.push(context);
      return context;
    });
  });
}

function reportMissing(title: string): void {
  const reason = process.env['PIXIE_TEST_CHROMIUM_MISSING'] ?? 'Jest ran without its globalSetup';
  const sentence = `browser tests did not run: ${reason}`;
  describe(title, () => {
    if (!process.env['CI']) {
      it.todo(sentence);
      return;
    }
    it(sentence, () => {
      throw new Error(sentence);
    });
  });
}
