import { optionsOf } from '../../src/config/catalogue.ts';
import { ConfigurationError, parseOptions } from '../../src/config/load.ts';
import { optionsSchema } from '../../src/config/options.ts';

const options = {
  publicUrl: 'http://localhost:8080',
  session: { secrets: ['kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U'] },
  providers: [
    { id: 'corp', issuer: 'https://login.example.com', clientId: 'spa', clientSecret: 's' },
  ],
  routes: [{ path: '/api', upstream: 'http://api:3000' }],
  redis: { url: 'redis://redis' },
};

/** Every option of a later release, with a value that asks for it. */
const later: Record<string, unknown> = {
  'rateLimit.login': '30/1m',
  'rateLimit.callback': '60/1m',
  'rateLimit.backchannel': '600/1m',
  'rateLimit.failures': '20/1m',
};

function mistakesWith(path: readonly (string | number)[], value: unknown): string[] {
  const input: unknown = structuredClone(options);
  let node = input as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) node = (node[key] ??= {}) as typeof node;
  node[path.at(-1) ?? ''] = value;
  try {
    parseOptions(input);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes.map((mistake) => `${mistake.path}: ${mistake.message}`);
  }
}

const withIndexes = (path: string) => path.split('.').map((key) => (key === '*' ? 0 : key));

describe('an option of a later release', () => {
  it.each(Object.entries(later))('is refused rather than ignored: %s', (path, value) => {
    const spelled = path.replace('.*', '[0]');
    expect(mistakesWith(withIndexes(path), value)).toEqual([
      expect.stringMatching(/: .+ is not part of this release yet; remove this option$/),
    ]);
    expect(mistakesWith(withIndexes(path), value)[0]).toMatch(`${spelled}: `);
  });

  it('is in the table above', () => {
    const paths = optionsOf(optionsSchema)
      .filter(({ description }) => description.startsWith('*Later release.*'))
      .map(({ path }) => path.join('.'));
    const outermost = paths.filter((path) => !paths.some((other) => path.startsWith(`${other}.`)));
    expect(Object.keys(later).toSorted()).toEqual(outermost.toSorted());
  });
});
