import { checkSync } from 'recheck';
import ts from 'typescript';
import { nodes, readSourceFiles, type SourceFile } from './source-files.ts';

/** An expression that is allowed although it was not found to be linear, and why it is harmless. */
export interface Exception {
  readonly file: string;
  /** The expression as it is in the file, or the arguments of `RegExp`. */
  readonly text: string;
  readonly reason: string;
}

interface Found {
  readonly file: string;
  /** The line number, from 1. */
  readonly line: number;
  readonly text: string;
  /** The pattern, `undefined` if it is only known at run time. */
  readonly pattern: readonly [source: string, flags: string] | undefined;
}

/**
 * Milliseconds for one expression, of which most need less than ten. No verdict depends on how fast
 * the machine is.
 */
const limits = { timeout: 20_000, attackTimeout: null, incubationTimeout: null };

/**
 * Lists the regular expressions below a directory that may take more than linear time, as
 * `file:line text: reason`. An exception that matches no expression is listed too.
 */
export function findSlowExpressions(root: string, exceptions: readonly Exception[] = []): string[] {
  const all = readSourceFiles(root).flatMap((file) => [...expressionsOf(file)]);
  const verdicts = new Map<string, string | undefined>();
  const judged = all.filter((found) => !exceptions.some((exception) => fits(exception, found)));
  const slow = judged.flatMap((found) => {
    const key = JSON.stringify(found.pattern);
    if (!verdicts.has(key)) verdicts.set(key, reasonAgainst(found));
    const reason = verdicts.get(key);
    return reason === undefined ? [] : [`${found.file}:${found.line} ${found.text}: ${reason}`];
  });
  const unused = exceptions.filter((exception) => !all.some((found) => fits(exception, found)));
  return [...slow, ...unused.map(({ file, text }) => `${file} ${text}: an exception for nothing`)];
}

function fits(exception: Exception, { file, text }: Found): boolean {
  return exception.file === file && exception.text === text;
}

function reasonAgainst({ pattern }: Found): string | undefined {
  if (!pattern) return 'is made while the program runs, so it cannot be checked';
  const verdict = checkSync(...pattern, limits);
  if (verdict.status === 'safe') return undefined;
  if (verdict.status === 'unknown') return `could not be checked (${verdict.error.kind})`;
  return `${verdict.complexity.summary}, for example on ${verdict.attack.pattern}`;
}

/** Iterates over regular expression literals and calls of `RegExp`. */
function* expressionsOf({ path, tree }: SourceFile): Generator<Found> {
  for (const node of nodes(tree)) {
    const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (ts.isRegularExpressionLiteral(node)) {
      const end = node.text.lastIndexOf('/');
      const pattern = [node.text.slice(1, end), node.text.slice(end + 1)] as const;
      yield { file: path, line, text: node.text, pattern };
    } else if (isRegExp(node)) {
      const [source, flags] = node.arguments ?? [];
      const [text, letters] = [source && constantIn(source), flags ? constantIn(flags) : ''];
      const pattern = text === undefined || letters === undefined ? undefined : [text, letters];
      const given = (node.arguments ?? []).map((argument) => argument.getText()).join(', ');
      yield { file: path, line, text: given, pattern: pattern as Found['pattern'] };
    }
  }
}

function isRegExp(node: ts.Node): node is ts.NewExpression | ts.CallExpression {
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return false;
  return ts.isIdentifier(node.expression) && node.expression.text === 'RegExp';
}

/** The value of a constant expression: literals, templates, and `[…].join('|')` of them. */
function constantIn(node: ts.Expression): string | undefined {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    const parts = node.templateSpans.map((span) => {
      const value = constantIn(span.expression);
      return value === undefined ? undefined : value + span.literal.text;
    });
    return allOf(parts)?.reduce((text, part) => text + part, node.head.text);
  }
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression))
    return undefined;
  const { expression: list, name } = node.expression;
  const [separator] = node.arguments;
  if (name.text !== 'join' || !ts.isArrayLiteralExpression(list) || !separator) return undefined;
  const glue = constantIn(separator);
  return glue === undefined ? undefined : allOf(list.elements.map(constantIn))?.join(glue);
}

function allOf(values: readonly (string | undefined)[]): string[] | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === values.length ? known : undefined;
}
