import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { nodes } from './support/architecture/source-files.ts';

const pages = globSync(['*.md', 'docs/**/*.md']).toSorted();
const textOf = (page: string) => readFileSync(page, 'utf8');

/** A page without its examples, which may show anything. */
const proseOf = (page: string) => textOf(page).replace(/^```[\s\S]*?^```/gm, '');

/** The rows of every table with this last column, cell by cell. */
function rowsProved(page: string): string[][] {
  const tables = proseOf(page).split(/\n\n+/);
  const proved = tables.filter((table) => /\|\s*proved by\s*\|$/m.test(table));
  return proved.flatMap((table) =>
    table
      .trim()
      .split('\n')
      .slice(2)
      .map((row) => row.split('|').slice(1, -1))
      .map((cells) => cells.map((cell) => cell.trim())),
  );
}

const titled = /^(describe|it)/;

/** A call that gives tests a title: `it('…')`, `describe.each(…)('…')` and what is made of them. */
function titleOf(node: ts.Node): string | undefined {
  if (!ts.isCallExpression(node)) return undefined;
  let callee: ts.Expression = node.expression;
  while (ts.isCallExpression(callee) || ts.isPropertyAccessExpression(callee))
    callee = callee.expression;
  const [title] = node.arguments;
  const isTitled = ts.isIdentifier(callee) && titled.test(callee.text);
  return isTitled && title && ts.isStringLiteralLike(title) ? title.text : undefined;
}

/** Every test's titles, the outermost first. */
function* titlesIn(node: ts.Node, outer: readonly string[] = []): Generator<readonly string[]> {
  const title = titleOf(node);
  const titles = title === undefined ? outer : [...outer, title];
  if (title !== undefined) yield titles;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* titlesIn(child, titles);
}

/**
 * What a placeholder of `each` may stand for: every text, name of a property and number in the
 * file.
 */
function valuesIn(tree: ts.SourceFile): string[] {
  const values = [...nodes(tree)].flatMap((node) => {
    if (ts.isStringLiteralLike(node) || ts.isNumericLiteral(node)) return [node.text];
    return ts.isPropertyAssignment(node) && ts.isIdentifier(node.name) ? [node.name.text] : [];
  });
  return [...new Set(values)].filter(Boolean);
}

const literally = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);

/** Matches the full names of the tests of a file, and what several of them begin with. */
function namesIn(file: string): (name: string) => boolean {
  const tree = ts.createSourceFile(file, textOf(file), ts.ScriptTarget.Latest, true);
  const value = `(?:${valuesIn(tree).map(literally).join('|')})`;
  const patterns = [...titlesIn(tree)].map((titles) => {
    const parts = titles.join(' ').split(/%[sij]/);
    return new RegExp(`^${parts.map(literally).join(value)}$`);
  });
  return (name) => patterns.some((pattern) => pattern.test(name));
}

/** GitHub's name for a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchorsIn = (page: string) =>
  [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

/** Where a page leads to, without what is elsewhere. */
function linksIn(page: string): string[] {
  const links = proseOf(page).matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g);
  return [...links]
    .map(([, markdown, html]) => markdown ?? html ?? '')
    .filter((link) => !/^[a-z]+:/.test(link));
}

function leadsNowhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path ? join(dirname(page), path) : page;
  if (!existsSync(target)) return true;
  return anchor !== undefined && !anchorsIn(target).includes(anchor);
}

describe('the table of faults', () => {
  const rows = rowsProved('docs/faults.md');

  it('has tables of faults', () => {
    expect(rows.length).toBeGreaterThan(40);
    expect(rows.filter((cells) => cells.length !== 4)).toEqual([]);
  });

  it('names tests that exist, and at least one for every fault', () => {
    const judges = new Map<string, (name: string) => boolean>();
    const unproved = rows.flatMap(([fault = '', , , proofs = '']) =>
      proofs.split('<br>').filter((proof) => {
        const [, file = '', name = ''] = /^`([\w/-]+\.test\.ts)` (.+)$/.exec(proof) ?? [];
        const path = `test/${file}`;
        if (!existsSync(path)) return true;
        if (!judges.has(path)) judges.set(path, namesIn(path));
        return fault === '' || !judges.get(path)?.(name);
      }),
    );
    expect(unproved).toEqual([]);
  });
});

describe('names of tests', () => {
  const isName = namesIn('test/flows/redis-faults.test.ts');

  it.each([
    ['a Redis that hangs', true],
    ['a Redis that has become a replica', true],
    [
      'a name that leads to another server is not followed to a replica, from which nothing is read',
      true,
    ],
    ['a Redis that sings', false],
    ['a Redis that', false],
    ['is not followed to a replica, from which nothing is read', false],
  ])('%j: %s', (name, expected) => {
    expect(isName(name)).toBe(expected);
  });
});

describe.each(pages)('%s', (page) => {
  it('has only links to targets that exist', () => {
    expect(linksIn(page).filter((link) => leadsNowhere(page, link))).toEqual([]);
  });

  it('speaks of files that exist', () => {
    const named = [...proseOf(page).matchAll(/`((?:src|test|docs|demo|scripts)\/[\w./-]*)`/g)];
    expect(named.map(([, path = '']) => path).filter((path) => !existsSync(path))).toEqual([]);
  });
});
