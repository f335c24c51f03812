import { remembered } from '../../src/proxy/headers/header-names.ts';

it('a name is judged once, unless a client made it long to fill the memory', () => {
  const judged: string[] = [];
  const judge = remembered((name) => judged.push(name));
  const long = 'x'.repeat(101);
  for (const name of ['accept', 'accept', long, long]) judge(name);
  expect(judged).toEqual(['accept', long, long]);
});
