import ts from 'typescript';
import type { Rule } from './rule.ts';
import { nodes } from './source-files.ts';

/** The rules about what a file exports. */
export const exportRules: Readonly<Record<string, Rule>> = {
  'named exports only': function* ({ tree }) {
    for (const node of nodes(tree)) {
      if (isDefaultExport(node)) yield [node, 'a default export has no name to search for'];
    }
  },
  'every exported thing has a doc comment': function* ({ tree }) {
    for (const statement of exportedStatements(tree)) {
      if (!hasDocComment(statement, tree)) yield [statement, `${nameOf(statement)} has none`];
    }
  },
};

function isDefaultExport(node: ts.Node): boolean {
  if (ts.isExportAssignment(node)) return true;
  if (ts.isExportSpecifier(node)) return node.name.text === 'default';
  return isDeclaration(node) && hasModifier(node, ts.SyntaxKind.DefaultKeyword);
}

type Declaration =
  | ts.FunctionDeclaration
  | ts.ClassDeclaration
  | ts.InterfaceDeclaration
  | ts.TypeAliasDeclaration
  | ts.EnumDeclaration
  | ts.ModuleDeclaration
  | ts.VariableStatement;

function isDeclaration(node: ts.Node): node is Declaration {
  return (
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isEnumDeclaration(node) ||
    ts.isModuleDeclaration(node) ||
    ts.isVariableStatement(node)
  );
}

// Of a function's overloads the first carries the comment; a declaration may also be exported by a
// later `export { name }`.
function exportedStatements(tree: ts.SourceFile): Declaration[] {
  const listed = new Set(tree.statements.flatMap(localExports));
  const declarations = tree.statements.filter(isDeclaration);
  return declarations.filter((statement, index) => {
    const names = namesOf(statement);
    const before = declarations[index - 1];
    const isOverload = before && ts.isFunctionDeclaration(before) && !before.body;
    if (isOverload && before.name?.text === names[0]) return false;
    const isExported = hasModifier(statement, ts.SyntaxKind.ExportKeyword);
    return isExported || names.some((name) => listed.has(name));
  });
}

function localExports(statement: ts.Statement): string[] {
  if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier) return [];
  const { exportClause } = statement;
  if (!exportClause || !ts.isNamedExports(exportClause)) return [];
  return exportClause.elements.map(({ propertyName, name }) => (propertyName ?? name).text);
}

function namesOf(statement: Declaration): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  }
  return statement.name ? [statement.name.text] : [];
}

function nameOf(statement: Declaration): string {
  return namesOf(statement).join(', ') || 'what is exported here';
}

function hasModifier(node: Declaration, kind: ts.SyntaxKind): boolean {
  return node.modifiers?.some((modifier) => modifier.kind === kind) ?? false;
}

function hasDocComment(node: ts.Node, { text }: ts.SourceFile): boolean {
  const comment = ts.getLeadingCommentRanges(text, node.getFullStart())?.at(-1);
  if (!comment || !text.startsWith('/**', comment.pos)) return false;
  const between = text.slice(comment.end, node.getStart());
  const words = text.slice(comment.pos, comment.end).replace(/[/*\s]/g, '');
  return words !== '' && between.split('\n').length <= 2;
}
