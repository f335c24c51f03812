import type ts from 'typescript';
import type { SourceFile } from './source-files.ts';

/** A broken rule of the house. */
export interface Violation {
  readonly rule: string;
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

/** A rule looks at one file and names the nodes that break it, each with a sentence. */
export type Rule = (file: SourceFile) => Iterable<readonly [node: ts.Node, message: string]>;
