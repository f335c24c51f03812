import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** How often each branch of `src/` was taken; `src/` counts here, under the name `branchCounts`. */
const counts = new Uint32Array(100_000);
Object.defineProperty(globalThis, 'branchCounts', { value: counts });

/** Branches that were numbered. */
let size = 0;

/** Modules of `src/` that are imported from now on count the branches they take. */
export function countBranches(): void {
  const source = new URL('../../src/', import.meta.url).href;
  registerHooks({
    load(url, context, next) {
      if (!url.startsWith(source) || !url.endsWith('.ts')) return next(url, context);
      return { format: 'module', source: instrumented(fileURLToPath(url)), shortCircuit: true };
    },
  });
}

/** What all inputs of a target have reached so far. */
export class Coverage {
  /** A bit for each order of magnitude in which a branch was taken: 1, 2, 4, 8 times and so on. */
  readonly #seen = new Uint32Array(counts.length);

  /** How many branches were taken. */
  get branches(): number {
    return this.#seen.reduce((sum, bits) => sum + (bits === 0 ? 0 : 1), 0);
  }

  /** Records what was reached since `forget` and returns what of it is new. */
  add(): 'a branch' | 'a number of times' | undefined {
    let found: ReturnType<Coverage['add']>;
    for (let index = 0; index < size; index += 1) {
      const count = counts[index] ?? 0;
      const seen = this.#seen[index] ?? 0;
      const bit = count === 0 ? 0 : 2 ** Math.floor(Math.log2(count));
      if ((seen | bit) === seen) continue;
      this.#seen[index] = seen | bit;
      if (seen === 0) found = 'a branch';
      else found ??= 'a number of times';
    }
    return found;
  }

  /** Resets the counts. */
  forget(): void {
    counts.fill(0, 0, size);
  }
}

function instrumented(file: string): string {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    fileName: file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2024,
      module: ts.ModuleKind.ESNext,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      verbatimModuleSyntax: true,
    },
    transformers: { before: [countingBranches] },
  });
  return outputText;
}

function countingBranches(
  context: ts.TransformationContext,
): (file: ts.SourceFile) => ts.SourceFile {
  const { factory } = context;
  const count = () => {
    const branch = factory.createElementAccessExpression(
      factory.createIdentifier('branchCounts'),
      size++,
    );
    return factory.createPostfixIncrement(branch);
  };
  const value = (expression: ts.Expression) =>
    factory.createParenthesizedExpression(factory.createComma(count(), expression));
  const counting = (statements: readonly ts.Statement[]) => [
    factory.createExpressionStatement(count()),
    ...statements,
  ];
  const block = (statement: ts.Statement) =>
    factory.createBlock(counting(ts.isBlock(statement) ? statement.statements : [statement]));

  const visit = (original: ts.Node): ts.Node => {
    const node = ts.visitEachChild(original, visit, context);
    if (ts.isBlock(node) && ts.isFunctionLike(original.parent))
      return factory.updateBlock(node, counting(node.statements));
    if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) {
      const { modifiers, typeParameters, parameters, type, equalsGreaterThanToken: arrow } = node;
      const body = value(node.body);
      return factory.createArrowFunction(modifiers, typeParameters, parameters, type, arrow, body);
    }
    if (ts.isIfStatement(node)) {
      const otherwise = node.elseStatement ?? factory.createEmptyStatement();
      return factory.createIfStatement(
        node.expression,
        block(node.thenStatement),
        block(otherwise),
      );
    }
    if (ts.isConditionalExpression(node)) {
      const [yes, no] = [value(node.whenTrue), value(node.whenFalse)];
      return factory.createConditionalExpression(node.condition, undefined, yes, undefined, no);
    }
    if (ts.isBinaryExpression(node) && isShortCircuit(node.operatorToken.kind))
      return factory.createBinaryExpression(node.left, node.operatorToken, value(node.right));
    if (ts.isForStatement(node)) {
      const { initializer, condition, incrementor, statement } = node;
      return factory.createForStatement(initializer, condition, incrementor, block(statement));
    }
    if (ts.isForOfStatement(node)) {
      const { awaitModifier, initializer, expression, statement } = node;
      return factory.createForOfStatement(awaitModifier, initializer, expression, block(statement));
    }
    if (ts.isWhileStatement(node))
      return factory.createWhileStatement(node.expression, block(node.statement));
    if (ts.isCaseClause(node))
      return factory.createCaseClause(node.expression, counting(node.statements));
    return node;
  };
  return (file) => ts.visitEachChild(file, visit, context);
}

function isShortCircuit(kind: ts.SyntaxKind): boolean {
  return (
    kind === ts.SyntaxKind.AmpersandAmpersandToken ||
    kind === ts.SyntaxKind.BarBarToken ||
    kind === ts.SyntaxKind.QuestionQuestionToken
  );
}
