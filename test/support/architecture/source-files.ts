import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import ts from 'typescript';

/** One file of a source tree, parsed. */
export interface SourceFile {
  /** Its path below the root of the tree, with forward slashes. */
  readonly path: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly Import[];
}

/** One place where a file names another module. */
export interface Import {
  readonly specifier: string;
  /** The resolved path below the root; undefined for a package. */
  readonly target: string | undefined;
  readonly node: ts.Node;
  /** It hands the names on: `export … from`. */
  readonly isReexport: boolean;
}

/** Parses every TypeScript file below a directory. An absent directory has none. */
export function readSourceFiles(root: string): SourceFile[] {
  const names = list(root).filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  return names.map((name) => {
    const path = relative(root, name).split(sep).join('/');
    const text = readFileSync(name, 'utf8');
    const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    return { path, tree, imports: importsOf(path, tree) };
  });
}

function list(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true, recursive: true });
    return entries
      .filter((e) => e.isFile())
      .map((e) => join(e.parentPath, e.name))
      .toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function importsOf(path: string, tree: ts.SourceFile): Import[] {
  return [...nodes(tree)].flatMap((node) => {
    const literal = moduleNamedBy(node);
    if (!literal) return [];
    const { text } = literal;
    const target = text.startsWith('.')
      ? posix.normalize(posix.join(posix.dirname(path), text))
      : undefined;
    return [{ specifier: text, target, node, isReexport: ts.isExportDeclaration(node) }];
  });
}

/** `import`, `export … from`, `import()`, `require()` and `import('…').Type`. */
function moduleNamedBy(node: ts.Node): ts.StringLiteralLike | undefined {
  const named =
    ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
      ? node.moduleSpecifier
      : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
        ? node.argument.literal
        : ts.isCallExpression(node) && isLoading(node.expression)
          ? node.arguments[0]
          : undefined;
  return named && ts.isStringLiteralLike(named) ? named : undefined;
}

function isLoading(callee: ts.Expression): boolean {
  const isRequire = ts.isIdentifier(callee) && callee.text === 'require';
  return isRequire || callee.kind === ts.SyntaxKind.ImportKeyword;
}

/** A node and everything in it. */
export function* nodes(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* nodes(child);
}
