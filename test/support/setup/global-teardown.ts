import { endRun } from './run-directory.ts';

/** Ends every process this run started, and removes its files. */
export default function globalTeardown(): void {
  endRun();
}
