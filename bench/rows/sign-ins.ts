import type { Bench } from '../bench.ts';
import { signIn } from '../contender.ts';
import { usageOf } from '../process-tree.ts';
import type { Results } from '../results.ts';
import { median } from '../sample.ts';

/** As many browsers sign in at the same time. */
const browsers = 4;

/**
 * Whole sign-ins: every redirect, the code exchange, the session. The authorization server, in this
 * process, takes most of the time; what the proxy itself spends is the processor time of a sign-in.
 */
export async function measureSignIns(bench: Bench, results: Results): Promise<void> {
  const { backends, rounds, seconds } = bench;
  for (const { name, recipe, port, child } of bench.contenders) {
    const { loginPath } = recipe;
    if (!loginPath) continue;
    const rates: number[] = [];
    const costs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const before = usageOf(child.pid);
      const { count, elapsed } = await signInFor(seconds, () => signIn(loginPath, port));
      costs.push((usageOf(child.pid).cpu - before.cpu) / count);
      rates.push(count / elapsed);
      backends.authorizationServer.requests.length = 0;
    }
    results.note(`sign-ins per second ${name}`, median(rates));
    results.note(`sign-in cpu ${name}`, median(costs));
  }
}

async function signInFor(seconds: number, once: () => Promise<unknown>) {
  const start = performance.now();
  const left = () => seconds * 1000 - (performance.now() - start);
  let count = 0;
  const one = async () => {
    do {
      await once();
      count += 1;
    } while (left() > 0);
  };
  await Promise.all(Array.from({ length: browsers }, one));
  return { count, elapsed: (performance.now() - start) / 1000 };
}
