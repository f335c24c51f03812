import { readFileSync } from 'node:fs';
import { ConfigurationError, loadOptions } from '../../src/config/load.ts';

const manual = readFileSync('docs/operations.md', 'utf8');
const examples = [...manual.matchAll(/```yaml\n(redis:[\s\S]*?)```/g)].map(
  ([, yaml]) => yaml ?? '',
);

const others = `
publicUrl: https://app.example.com
session: { secrets: [kB3v9Qe1xZ7pLr5TnW2yHc8MdF4gJs6U] }
providers:
  - { id: corp, issuer: https://login.example.com, clientId: spa, clientSecret: s }
`;

function mistakesOf(redis: string): readonly { readonly message: string }[] {
  try {
    const env = { REDIS_PASSWORD: 'p', SENTINEL_PASSWORD: 's' };
    loadOptions({ file: 'bff.yaml', env, readFile: () => others + redis });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.mistakes;
  }
}

it('the operations manual shows every topology, and TLS', () => {
  expect(examples).toHaveLength(4);
});

it.each(examples)('its example is one that starts where its files are: %s', (redis) => {
  const mistakes = mistakesOf(redis);
  expect(mistakes.filter(({ message }) => !message.startsWith('there is no file /etc/'))).toEqual(
    [],
  );
});
