import type { Fleet } from './fleet.ts';

/** An error as it stands in the log. */
interface LoggedError {
  readonly message?: string;
  readonly code?: string;
  readonly cause?: LoggedError;
}

/**
 * What the replicas have warned of since they were asked last: each sentence once, with its causes
 * and how often it was said.
 */
export function takeWarnings({ replicas }: Fleet): readonly string[] {
  const counts = new Map<string, number>();
  for (const line of replicas.flatMap((replica) => replica.takeLog())) {
    const { msg, err } = line as { readonly msg: string; readonly err?: LoggedError };
    const sentence = [msg, ...reasonsOf(err)].join(' < ');
    counts.set(sentence, (counts.get(sentence) ?? 0) + 1);
  }
  return [...counts].map(([sentence, count]) => `${count} × ${sentence}`);
}

function reasonsOf(error: LoggedError | undefined): string[] {
  if (!error) return [];
  const { code, message = '', cause } = error;
  return [[code, message].filter(Boolean).join(' '), ...reasonsOf(cause)];
}
