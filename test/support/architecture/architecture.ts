import { exportRules } from './exports.ts';
import type { Rule, Violation } from './rule.ts';
import { readSourceFiles, nodes } from './source-files.ts';
import ts from 'typescript';

/**
 * The rooms from left to right. A room imports itself, the rooms of earlier rows, and the files of
 * `forAll`.
 */
const rows = [
  ['http'],
  ['config'],
  ['telemetry'],
  ['oauth'],
  ['session'],
  ['access'],
  ['auth', 'proxy', 'frontend', 'management'],
  ['authorization-server'],
  ['server'],
  ['cli'],
];

/** Loose files that every room may import. They import nothing of ours. */
const forAll = ['errors.ts', 'clock.ts'];

/**
 * The module that puts the rooms together. Only the rooms to its right and the other loose files
 * import it.
 */
const module = ['bff.module.ts', 'bff.providers.ts'];
const rightOfModule = new Set(['server', 'cli']);

/** Everything that may stand outside a room. */
const loose = new Set([...forAll, ...module, 'main.ts', 'index.ts', 'store.ts', 'version.ts']);

/** Outside libraries and the rooms that own them. */
const owners: Readonly<Record<string, readonly string[]>> = {
  'openid-client': ['oauth'],
  jose: ['oauth', 'authorization-server'],
  'oidc-provider': ['authorization-server'],
  'express-session': ['session'],
  'connect-redis': ['session'],
  redis: ['session'],
  'cookie-signature': ['session'],
  undici: ['proxy', 'oauth', 'authorization-server'],
  'prom-client': ['telemetry'],
  pino: ['telemetry'],
  'pino-http': ['telemetry'],
  'sonic-boom': ['telemetry'],
};

const nestSuffix =
  /\.(adapter|controller|decorator|filter|guard|middleware|module|providers|service)\.ts$/;
const mostLines = 250;

const rules: Readonly<Record<string, Rule>> = {
  'rooms import only rooms to their left': function* ({ path, imports }) {
    for (const { target, node } of imports) {
      if (target && !mayImport(path, target)) yield [node, `must not know ${target}`];
    }
  },
  'every folder is a room': function* ({ path, tree }) {
    const room = roomOf(path);
    if (room && rowOf(room) === -1) yield [tree, `${room}/ is not a room of the house`];
    if (!room && !loose.has(path)) yield [tree, `${path} belongs into a room`];
  },
  'each library has one owner': function* ({ path, imports }) {
    for (const { specifier, node } of imports) {
      const library = packageOf(specifier);
      const rooms = Object.hasOwn(owners, library) ? owners[library] : undefined;
      if (rooms && !rooms.includes(roomOf(path))) {
        yield [node, `${library} belongs to ${rooms.join('/ and ')}/`];
      }
    }
  },
  'only config/ reads the environment': function* ({ path, tree }) {
    if (roomOf(path) === 'config') return;
    for (const node of nodes(tree)) {
      if (readsEnvironment(node)) yield [node, 'process.env is read in config/ only'];
    }
  },
  'a file without a Nest suffix is plain TypeScript': function* ({ path, imports }) {
    // The server starts Nest.
    if (!roomOf(path) || roomOf(path) === 'server' || nestSuffix.test(path)) return;
    for (const { specifier, node } of imports) {
      if (/^(@nestjs\/|nestjs-)/.test(specifier)) yield [node, `${specifier} is Nest`];
    }
  },
  'relative imports end in .ts': function* ({ imports }) {
    for (const { specifier, target, node } of imports) {
      if (target !== undefined && !specifier.endsWith('.ts')) yield [node, `${specifier}`];
    }
  },
  'there is one Nest module': function* ({ path, tree }) {
    const modules = [...nodes(tree)].filter(isModuleDecorator);
    const extra = path === 'bff.module.ts' ? modules.slice(1) : modules;
    for (const node of extra) yield [node, 'the one module is in bff.module.ts'];
    if (path === 'bff.module.ts' && modules.length === 0) yield [tree, 'here belongs the module'];
  },
  'a room has one providers file': function* ({ path, tree }) {
    if (!path.endsWith('.providers.ts') || module.includes(path)) return;
    const own = `${roomOf(path)}/${roomOf(path)}.providers.ts`;
    if (path !== own) yield [tree, `the Nest providers of the room are in ${own}`];
  },
  'no injection token is a parameter': function* ({ tree }) {
    for (const node of nodes(tree)) {
      const type = ts.isParameter(node) ? node.type : undefined;
      if (type?.kind === ts.SyntaxKind.SymbolKeyword)
        yield [type, 'import the token from beside the type that it stands for'];
    }
  },
  'no folder without a subject': function* ({ path, tree }) {
    const folder = /(?:^|\/)(commons?|utils?|helpers?)\//i.exec(path)?.[1];
    if (folder) yield [tree, `${folder}/ says nothing about what is in it`];
  },
  'no barrel but index.ts': function* ({ path, imports, tree }) {
    if (path === 'index.ts' || path === 'store.ts') return;
    if (path.endsWith('/index.ts')) yield [tree, 'only the root has an index.ts'];
    for (const { node, isReexport } of imports) {
      if (isReexport) yield [node, 'import it from where it is declared'];
    }
  },
  'no long files': function* ({ tree }) {
    const lines = tree.getLineStarts().length - (tree.text.endsWith('\n') ? 1 : 0);
    if (lines > mostLines) yield [tree, `${lines} lines are more than ${mostLines}`];
  },
  ...exportRules,
};

/** The names of all rules. */
export const ruleNames: readonly string[] = Object.keys(rules);

/** Every broken rule of a source tree, in order of files. */
export function checkArchitecture(root: string): Violation[] {
  return readSourceFiles(root).flatMap((file) =>
    Object.entries(rules).flatMap(([rule, find]) =>
      [...find(file)].map(([node, message]) => {
        const start = node === file.tree ? 0 : node.getStart();
        const line = file.tree.getLineAndCharacterOfPosition(start).line + 1;
        return { rule, file: file.path, line, message };
      }),
    ),
  );
}

/** The first folder of a path; empty for a file at the root. */
function roomOf(path: string): string {
  return path.includes('/') ? (path.split('/', 1)[0] ?? '') : '';
}

function rowOf(room: string): number {
  return rows.findIndex((row) => row.includes(room));
}

function mayImport(from: string, to: string): boolean {
  if (forAll.includes(from)) return false;
  if (forAll.includes(to)) return true;
  if (to === 'main.ts' || to === 'index.ts' || to.startsWith('..')) return false;
  const [room, other] = [roomOf(from), roomOf(to)];
  if (other === '') return room === '' || rightOfModule.has(room);
  if (module.includes(from)) return !rightOfModule.has(other);
  return room === '' || room === other || rowOf(other) < rowOf(room);
}

function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

function readsEnvironment(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node))
    return isProcess(node.expression) && node.name.text === 'env';
  if (ts.isElementAccessExpression(node)) {
    const { argumentExpression: key } = node;
    return isProcess(node.expression) && ts.isStringLiteralLike(key) && key.text === 'env';
  }
  if (ts.isVariableDeclaration(node) && ts.isObjectBindingPattern(node.name)) {
    const isFromProcess = node.initializer !== undefined && isProcess(node.initializer);
    return (
      isFromProcess &&
      node.name.elements.some((e) => (e.propertyName ?? e.name).getText() === 'env')
    );
  }
  if (!ts.isImportSpecifier(node)) return false;
  const { moduleSpecifier } = node.parent.parent.parent;
  const isFromProcess = /^['"](node:)?process['"]$/.test(moduleSpecifier.getText());
  return isFromProcess && (node.propertyName ?? node.name).text === 'env';
}

function isProcess(node: ts.Expression): boolean {
  if (ts.isIdentifier(node)) return node.text === 'process';
  return ts.isPropertyAccessExpression(node) && node.name.text === 'process';
}

function isModuleDecorator(node: ts.Node): boolean {
  if (!ts.isDecorator(node)) return false;
  const { expression } = node;
  const called = ts.isCallExpression(expression) ? expression.expression : expression;
  return called.getText().split('.').at(-1) === 'Module';
}
