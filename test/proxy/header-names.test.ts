import { cachedByName } from '../../src/proxy/headers/header-names.ts';

it('a name is judged once, unless a client made it long to fill the memory', () => {
  const judged: string[] = [];
  const classify = cachedByName((name) => judged.push(name));
  const long = 'x'.repeat(101);
  for (const name of ['accept', 'accept', long, long]) classify(name);
  expect(judged).toEqual(['accept', long, long]);
});
